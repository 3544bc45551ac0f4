"""``python -m benchmarks`` is the same as ``fmnist-fast bench``."""

import sys

from fmnist_fast._cli.main import main

sys.exit(main(["bench", *sys.argv[1:]]))
