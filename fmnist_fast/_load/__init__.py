"""Find the files of a split, read them, and make a `Dataset` of them."""
