"""The parts of a Dataset: rows, classes, images over several files, cards."""
