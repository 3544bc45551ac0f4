"""The published datasets in MNIST's format: files, classes, URLs and hashes."""
