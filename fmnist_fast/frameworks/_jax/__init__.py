"""Batches as a function of the step, in operations of JAX on 32-bit integers."""
