"""Photographs as images of Fashion-MNIST: one by one, or folders of them."""
