"""``python -m testbed`` and the console script ``testbed``; Ctrl-C while they are being imported is no traceback."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line of this process."""
    try:
        from testbed.cli import main as run

        return run()
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
