"""``python -m testbed``: the same as the ``testbed`` console script."""

from __future__ import annotations

import sys

from testbed.cli import main

if __name__ == "__main__":
    sys.exit(main())
