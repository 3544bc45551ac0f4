"""Benchmarks of the parts, a comparison with other loaders, and what a GPU does.

    pytest benchmarks            # micro/: the bench_*.py files
    python -m benchmarks         # comparison/: other loaders
    python -m benchmarks.gpu     # gpu/: what the loaders do on a CUDA device

In the comparison, `work.py` says what to do with `data.py`. Each file in
`comparison/contenders/` says how one library does it. Each contender runs in a process
by itself (`comparison/child.py`), in its virtual environment (`environments.py`,
`environments.toml`), and is driven over a pipe (`process.py`). Its output is checked
(`checks.py`) before `comparison.py` times it in turns with fmnist_fast.
"""
