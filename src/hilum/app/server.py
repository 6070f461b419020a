"""Streamlit's server for the reading room: on this machine alone, without statistics, tracebacks and temporary files."""

import socket
from pathlib import Path
from typing import Any

from hilum.app.startup import Startup
from hilum.data.decoding.limits import MAX_FILE_BYTES
from hilum.progress import say

HERE = ("127.0.0.1", "localhost", "::1")  # addresses that only this machine reaches
ROOM = 2**20  # bytes of an upload around the file itself
FIRST, LAST = 1024, 65535  # ports that a user's program may take


def check_address(address: str, others: bool) -> str:
    """The address to listen at. others: whether the user has said that other machines may reach it.

    Raises:
        ValueError: other machines reach it, and the user has not said so.
    """
    if address not in HERE and not others:
        raise ValueError(
            f"--address must be {HERE[0]}, which only this machine reaches, got {address}: whoever reaches that address can open "
            "films here and see predictions, without a password or encryption; add --let-others-in if that is meant"
        )
    return address


def check_port(text: str, address: str) -> int:
    """A free port from the command line.

    Raises:
        ValueError: it is none, or another program listens there.
    """
    if not text.isdecimal() or not FIRST <= int(text) <= LAST:
        raise ValueError(f"--port must be a number from {FIRST} to {LAST}, got {text!r}; leave it out for the usual one")
    port = int(text)
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as fault:
            raise ValueError(
                f"port {port} at {address} must be free, but it cannot be taken ({fault.strerror}); end the program that listens "
                f"there (an earlier `hilum app`?), or name another port: hilum app --port {port + 1 if port < LAST else port - 1}"
            ) from None
    return port


def options_of(address: str, port: int) -> dict[str, Any]:
    """Streamlit's options, which hold for this process alone and come before any config.toml."""
    return {
        "server_address": address,
        "server_port": port,
        "server_headless": True,  # no question for an e-mail address, no browser
        "server_allowedHosts": list(HERE) if address in HERE else [],
        "server_enableXsrfProtection": True,
        "server_enableCORS": True,  # Streamlit's word for refusing other origins
        "server_enableStaticServing": False,
        "server_enableAgentApi": False,
        "server_fileWatcherType": "none",
        "server_runOnSave": False,
        "server_maxUploadSize": MAX_FILE_BYTES >> 20,
        "browser_gatherUsageStats": False,
        "client_showErrorDetails": "none",
        "client_showErrorLinks": False,
        "client_toolbarMode": "minimal",
        "global_developmentMode": False,
        "runner_magicEnabled": False,
        "logger_level": "error",
        "logger_hideWelcomeMessage": True,
        "theme_base": "dark",
        "theme_backgroundColor": "#14181d",
        "theme_secondaryBackgroundColor": "#1d232a",
        "theme_textColor": "#e6ebf0",
        "theme_primaryColor": "#58a6ff",
        "theme_showWidgetBorder": True,
    }


def serve(begun: Startup, address: str, port: int) -> None:
    """Run the server until Ctrl-C."""
    from streamlit.web import bootstrap

    _keep_uploads_in_memory()
    options = options_of(address, port)
    bootstrap.load_config_options(options)
    say(f"the reading room: http://{f'[{address}]' if ':' in address else address}:{port}")
    say("Ctrl-C ends it; films are kept in memory alone")
    bootstrap.run(str(Path(__file__).with_name("main.py")), False, [begun.as_argument()], options)


def _keep_uploads_in_memory() -> None:
    """Starlette writes what it receives beyond 1 MB into a temporary file; films must not be written anywhere."""
    from starlette.formparsers import MultiPartParser

    MultiPartParser.spool_max_size = MAX_FILE_BYTES + ROOM
