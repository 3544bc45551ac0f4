"""The command line, with `main` and a module for each command."""
