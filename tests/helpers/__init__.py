"""Fixtures, programs and servers that the tests use. This folder has no tests."""
