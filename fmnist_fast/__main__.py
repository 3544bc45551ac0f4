"""``python -m fmnist_fast`` is the same as ``fmnist-fast``."""

import sys

from .cli import main

sys.exit(main())
