"""`python src/hilum <verb>` and `python -m hilum <verb>`."""

import sys
from pathlib import Path

if not __package__:  # run as a folder: the package stands one level up, and its modules must not shadow others
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from hilum.cli import main

if __name__ == "__main__":
    sys.exit(main())
