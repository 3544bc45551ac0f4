"""The contenders, one file for each; `..child` says which functions a file has."""
