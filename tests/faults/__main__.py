"""Run the fault tests and print one table: `python -m tests.faults [T1 T2 ...] --n 20 [--json FILE]`."""

import sys

from .runner import main

sys.exit(main(sys.argv[1:]))
