"""Benchmarks: of the parts, by pytest, and the comparison with other loaders.

    pytest benchmarks            # the bench_*.py files
    python -m benchmarks         # the comparison, the same as `fmnist-fast bench`

The comparison: `work.py` says what is to be done, a file in `contenders/` how one
library does it. Each contender runs in a process of its own (`contender.py`), out of
its own virtual environment (`peers.py`, `peers.toml`), driven over a pipe
(`process.py`); what comes out is checked (`checks.py`) before `comparison.py` times it
in turns with ours.
"""
