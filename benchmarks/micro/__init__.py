"""Benchmarks of the parts of this library: ``pytest benchmarks``."""
