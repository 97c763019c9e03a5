"""`python -m roger_actors`: the same as the command `roger-actors`."""

from __future__ import annotations

import sys

from roger_actors.cli import main

if __name__ == "__main__":
    sys.exit(main())
