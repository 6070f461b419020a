"""The script that draws charts in a page, and how one chart stands in it."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ChartPart:
    """One chart: id of its specification in the page, title, a sentence about it, the specification as JSON, and whether it
    takes the page's whole width."""

    name: str
    title: str
    says: str
    spec: dict[str, Any]
    wide: bool = False


def load_bundle(cache: Path) -> str:
    """Vega, Vega-Lite and vega-embed as one script, made by vl-convert once per version and kept in `cache`."""
    from importlib.metadata import version

    file = cache / f"vega-{version('vl-convert-python')}.js"
    if not file.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        import vl_convert

        made = vl_convert.javascript_bundle(None)  # type: ignore[arg-type]  # None: all that a page needs; its stub lacks that
        partial = file.with_suffix(f".{os.getpid()}")  # another process may make it too
        partial.write_text(f"(()=>{{{made}\n}})();".replace("</script", "<\\/script"))
        partial.replace(file)
    return file.read_text()
