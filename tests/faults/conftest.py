"""The corpus of HTTP faults uses the virtual clock of the network's tests, and a script's stage."""

import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
for folder in (TOP / "tests" / "net", TOP / "scripts"):
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
