"""The published datasets in MNIST's format: their files, classes, URLs and hashes."""
