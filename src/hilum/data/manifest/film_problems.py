"""The list of film problems: those left out with the reason, and remarks on those that stay."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from hilum.data.decoding.reading import ReadFilm
from hilum.data.masks import MASK_KINDS
from hilum.data.quality.alike.copies import PROBLEMS

ODD_FILE = "odd file, read all the same"  # a problem for which no film is left out


def list_broken(rows: pd.DataFrame, read: Sequence[ReadFilm], broken_share: float, outside: Sequence[str]) -> list[pd.DataFrame]:
    """Unreadable films, odd files that were read, unreadable masks of each kind, and films outside their bit depth.

    Raises:
        ValueError: too many films could not be read.
    """
    decoded = [one.decoded for one in read]
    broken = _list_faults(rows, [one.broken for one in decoded], "broken film")
    _check_broken(broken, len(rows), broken_share)
    masks = [_list_faults(rows, [one.mask_faults.get(kind, "") for one in decoded], f"broken {kind}") for kind in MASK_KINDS]
    odd = _list_faults(rows, ["; ".join(one.remarks) for one in decoded], ODD_FILE)
    return [broken, odd, *masks, _list_faults(rows, outside, "outside the bit depth")]


def _list_faults(rows: pd.DataFrame, faults: Sequence[str], problem: str) -> pd.DataFrame:
    table = rows[["image_id", "path"]].assign(problem=problem, detail=faults)
    return table[table["detail"] != ""]


def _check_broken(broken: pd.DataFrame, count: int, broken_share: float) -> None:
    if len(broken) > broken_share * count:
        examples = "; ".join(f"{row.path}: {row.detail}" for row in broken.head(5).itertuples())
        raise ValueError(
            f"at most a share of {broken_share} of the films may be broken, got {len(broken)} of {count}: {examples}; "
            "repair or remove the files, or raise `prepare.broken_share`"
        )


def tell_odd(odd: pd.DataFrame) -> list[str]:
    """A line on odd files that were read, empty where there are none."""
    some = "; ".join(f"{row.image_id} ({row.detail})" for row in odd.head(3).itertuples())
    return [f"{ODD_FILE}: {len(odd)} films, such as {some}"] if len(odd) else []


def list_remarks(tables: Mapping[str, tuple[Path, pd.DataFrame]], paths: "pd.Series[str]") -> pd.DataFrame:
    """Remarks of readers on films that stay."""
    rows = [
        (f"{source}/{image_id}", problem, detail)
        for source, (_, table) in tables.items()
        for image_id, problem, detail in table.attrs.get("problems", [])
    ]
    remarks = pd.DataFrame(rows, columns=["image_id", "problem", "detail"])
    return remarks.assign(path=remarks["image_id"].map(paths))


def list_left_out(tables: Mapping[str, tuple[Path, pd.DataFrame]]) -> pd.DataFrame:
    """What the readers left out, prefixed with the source's name."""
    parts = []
    for source, (_, table) in tables.items():
        part = pd.DataFrame(table.attrs.get("left_out", []), columns=list(PROBLEMS)).astype(str)
        parts.append(part.assign(**{name: source + "/" + part[name] for name in ("image_id", "path")}))
    return pd.concat(parts, ignore_index=True)


def list_notes(tables: Mapping[str, tuple[Path, pd.DataFrame]]) -> list[str]:
    """The notes of readers on their sources, in lines."""
    return [f"{source}: {note}" for source, (_, table) in tables.items() for note in table.attrs.get("notes", [])]


def join_problems(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """All parts in one table, columns `copies.PROBLEMS`."""
    return pd.concat(parts, ignore_index=True)[list(PROBLEMS)]
