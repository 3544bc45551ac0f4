"""``python -m fmnist_fast`` is the same as ``fmnist-fast``."""

import sys

from ._cli.main import main

sys.exit(main())
