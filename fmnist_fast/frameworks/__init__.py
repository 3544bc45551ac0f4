"""Adapters to frameworks. None is required, and each is imported only on request."""
