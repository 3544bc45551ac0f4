"""This library beside other loaders: ``python -m benchmarks``."""
