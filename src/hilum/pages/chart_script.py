"""The script that draws charts in a page, and how one chart stands in it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hilum.whole_files import write_whole


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
        import vl_convert

        made = vl_convert.javascript_bundle(None)  # type: ignore[arg-type]  # None: all that a page needs; its stub lacks that
        write_whole(file, f"(()=>{{{made}\n}})();".replace("</script", "<\\/script"))
    return file.read_text()
