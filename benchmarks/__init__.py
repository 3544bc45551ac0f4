"""Benchmarks: the parts, by pytest; other loaders, beside this one; a GPU's feeding.

    pytest benchmarks            # micro/: the bench_*.py files
    python -m benchmarks         # comparison/: beside other loaders
    python -m benchmarks --gpu   # gpu_*.py: how well a CUDA device is fed

In the comparison `work.py` says what is to be done with `data.py`, and a file in
`comparison/contenders/` how one library does it. Each contender runs in a process of
its own (`comparison/child.py`), out of its own virtual environment (`environments.py`,
`environments.toml`), driven over a pipe (`process.py`). Its output is checked
(`checks.py`) before `comparison.py` times it in turns with ours.
"""
