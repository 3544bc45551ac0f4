"""Conversion of photos to Fashion-MNIST images: single photos and whole folders."""
