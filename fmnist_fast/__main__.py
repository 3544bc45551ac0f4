"""Entry point of ``python -m fmnist_fast``, which is the same as ``fmnist-fast``."""

import sys

from ._cli.main import main

sys.exit(main())
