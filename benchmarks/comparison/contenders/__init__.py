"""One file for each contender; `..contender` says which functions it has."""
