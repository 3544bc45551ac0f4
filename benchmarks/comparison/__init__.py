"""Comparison of this library with other loaders: ``python -m benchmarks``."""
