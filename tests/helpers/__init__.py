"""Programs and servers that the tests use; no tests are in here."""
