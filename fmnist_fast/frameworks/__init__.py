"""Adapters to frameworks, each imported when it is asked for, none required."""
