"""DVC's command line, with one fault of DVC 3.67 mended: experiments in a clone that lacks what dvc.lock names.

    python unlisted_folders.py dvc exp run --temp ...

After each stage of an experiment DVC asks whether the files that it depends on are its own, to add the others to git. For a file
of a folder it reads that folder's list, under the hash that dvc.lock had when the last command ran. In a fresh clone no cache has
that list, and an experiment whose earlier stages were all taken from the cache ended there with `failed to load directory`. A
file of a folder that DVC tracks is its own, whatever the list says, so that is the answer.
"""

import runpy
import sys
from typing import Any


def mend() -> None:
    """Let DVC take a file of a tracked folder for its own where the folder's list is not in the cache."""
    from dvc.fs.dvc import _DVCFileSystem
    from dvc_data.index import DataIndexDirError

    asked = _DVCFileSystem.isdvc

    def isdvc(self: Any, path: str, **options: Any) -> bool:
        try:
            return bool(asked(self, path, **options))
        except DataIndexDirError:
            return True

    _DVCFileSystem.isdvc = isdvc


if __name__ == "__main__":
    sys.path.pop(0)  # the folder of this file
    mend()
    sys.argv = sys.argv[1:]
    runpy.run_module("dvc", run_name="__main__", alter_sys=True)
