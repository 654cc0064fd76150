"""``python -m ptmtorrent``."""

import sys

from ptmtorrent.cli import main

if __name__ == "__main__":
    sys.exit(main())
