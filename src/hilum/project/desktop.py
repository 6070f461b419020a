"""Whether somebody sits in front of this machine's screen, so that a browser can be opened."""

import os
import sys
from collections.abc import Mapping


def has_desktop(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> bool:
    """Whether a browser that is opened is seen: not over SSH, and on Linux only with a display.

    environment: of the process; platform: as in `sys.platform`.
    """
    if environment.get("SSH_CONNECTION"):
        return False
    return platform in ("darwin", "win32") or bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))
