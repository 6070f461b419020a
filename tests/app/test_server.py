"""The server of the reading room: on this machine alone, and nothing that Streamlit would do beyond it."""

import socket

import pytest

from hilum.app.server import check_address, check_port, options_of
from hilum.app.startup import Startup, read_argument
from hilum.data.decoding.limits import MAX_FILE_BYTES
from hilum.serving.model_facts import Told


@pytest.mark.parametrize("address", ["0.0.0.0", "192.168.1.4", "::", "host.example"])
def test_another_address_must_be_asked_for_with_the_option_that_says_what_it_means(address: str) -> None:
    with pytest.raises(ValueError, match=r"--address must be 127.0.0.1.*without a password or encryption; add --let-others-in"):
        check_address(address, others=False)
    assert check_address(address, others=True) == address
    assert check_address("127.0.0.1", others=False) == "127.0.0.1"


def test_every_option_is_one_of_streamlit_and_safe() -> None:
    from streamlit import config

    options = options_of("127.0.0.1", 8501)
    known = config.get_config_options()
    assert {name.replace("_", ".", 1) for name in options} <= set(known)
    assert options["server_address"] == "127.0.0.1" and options["server_allowedHosts"] == ["127.0.0.1", "localhost", "::1"]
    assert options["browser_gatherUsageStats"] is False and options["client_showErrorDetails"] == "none"
    assert options["server_enableXsrfProtection"] and not options["server_enableStaticServing"]
    assert options["server_maxUploadSize"] == MAX_FILE_BYTES >> 20
    assert options_of("0.0.0.0", 8501)["server_allowedHosts"] == [], "other machines call it by names that are not known here"


@pytest.mark.parametrize("wrong", ["80", "x", "70000", "-1"])
def test_a_port_must_be_one(wrong: str) -> None:
    with pytest.raises(ValueError, match="--port must be a number from 1024 to 65535"):
        check_port(wrong, "127.0.0.1")


def test_a_port_that_is_taken_is_refused_with_another() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=f"port {port} at 127.0.0.1 must be free, .* hilum app --port {port + 1}"):
            check_port(str(port), "127.0.0.1")


def test_an_upload_is_kept_in_memory_whatever_its_size() -> None:
    """Starlette's own limit is 1 MB."""
    from starlette.formparsers import MultiPartParser

    from hilum.app import server

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MultiPartParser, "spool_max_size", 2**20)
        server._keep_uploads_in_memory()
        assert MultiPartParser.spool_max_size > MAX_FILE_BYTES


def test_the_start_reaches_the_script_as_it_was() -> None:
    begun = Startup("/p", ("models:/hilum@champion",), ("a.keras",), Told(classes="a,b"), "/films", "/readings", True)
    assert read_argument(begun.as_argument()) == begun
