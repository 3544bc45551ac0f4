"""Private parts of Dataset: rows, class names, images in several files, cards."""
