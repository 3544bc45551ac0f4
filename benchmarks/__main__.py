"""Run command.py as ``python -m benchmarks``."""

import sys

from .command import main

sys.exit(main())
