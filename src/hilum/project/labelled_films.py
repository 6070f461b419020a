"""Labelled films outside the pipeline: `--data` as a folder with a folder per class, a table beside films, or a recipe."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from hilum.data.manifest.labels import Rules
from hilum.data.readers.csv import read_csv
from hilum.data.readers.dicom_folder import read_dicom_folder
from hilum.data.readers.dicom_listing import make_dicom_table, read_headers
from hilum.data.readers.folder import read_folder
from hilum.data.readers.found_files import TABLE_SUFFIXES, drop_images, find_files
from hilum.data.readers.identity import hide_patient, read_salt
from hilum.data.readers.raw_films import escape_names, read_films, tell_unread
from hilum.data.readers.sidecar import compile_patient
from hilum.data.readers.table_files import read_table
from hilum.data.readers.values import squeeze
from hilum.data.same_people import list_namings, name_salt
from hilum.project.overrides import apply_recipe, name_fold_arms
from hilum.project.table_columns import choose_columns, list_annotations, split_pairs
from hilum.settings.meaning import EXCLUDED
from hilum.settings.params import Params, check_params
from hilum.settings.roots import read_roots
from hilum.settings.sources import PhantomSource
from hilum.settings.yaml_text import read_yaml
from hilum.workspace import Workspace

Table = tuple[Path, pd.DataFrame]  # root of the films, a reader's table of them

RECIPES = (".yaml", ".yml")
UNKNOWN = "each film counts as a separate patient"  # in a reader's note, which goes on with training and test
JOINTS = "|"  # between findings in a cell
PATIENT = "name the column of the table with the patient by --columns 'patient=NAME', or a --pattern with (?P<patient>...)"


@dataclass(frozen=True)
class AskedFilms:
    """The labelled films of a command, as its options say; an empty text is not given.

    data: a folder, a table or a recipe. labels: `class=finding,finding` pairs. columns: of a table, `path=NAME` pairs, of
    `table_columns.COLUMNS`.
    pattern: a regular expression with the group `patient`, searched in the names of a folder's files, and in the paths of a
    table's films where no column names the patient.
    """

    data: str = ""
    labels: str = ""
    columns: str = ""
    pattern: str = ""


@dataclass(frozen=True)
class LabelledFilms:
    """Films with findings, and the rules that make classes of these.

    tables: source -> root and reader's table. labels: the rules of every source without own ones in by_source. namings: source ->
    by whose naming its patients are named, of `list_namings`.
    """

    tables: Mapping[str, Table]
    labels: Rules
    by_source: Mapping[str, Rules]
    namings: Mapping[str, list[str]] = field(default_factory=dict)


def read_labels(text: str, classes: Sequence[str]) -> dict[str, list[str]]:
    """The rules of `--labels`: `ill=PNEUMONIA,COVID-19 normal='No Finding'`; empty: each class is its own finding.

    Raises:
        ValueError: no pair, or a name that is no class.
    """
    if not text.strip():
        return {name: [name] for name in classes}
    rules: dict[str, list[str]] = {}
    for pair in split_pairs(text, "--labels"):
        name, equals, findings = pair.partition("=")
        known = next((one for one in (*classes, EXCLUDED) if squeeze(one) == squeeze(name)), "")
        if not equals or not known:
            raise ValueError(
                f"--labels must be class=finding,finding pairs separated by blanks, of the classes {', '.join(classes)} or "
                f"{EXCLUDED}, got {pair!r}"
            )
        rules.setdefault(known, []).extend(part.strip() for part in findings.split(",") if part.strip())
    return {name: [] for name in classes if name not in rules} | rules


def suggest_labels(classes: Sequence[str], findings: Sequence[str]) -> str:
    """The option that gives findings to classes: those whose last folder is called like a class, else words to replace."""
    ends = {name: [one for one in findings if squeeze(one.rpartition("/")[2]) == squeeze(name)] for name in classes}
    if not any(ends.values()):
        return f'--labels "{" ".join(f"{name}=FINDING" for name in classes)}", with findings separated by commas'
    pairs = [f"{name}={','.join(own)}" for name, own in ends.items() if own]
    quoted = [f"'{pair}'" if " " in pair else pair for pair in pairs]
    return f'--labels "{" ".join(quoted)}"'


def read_data(asked: AskedFilms, classes: Sequence[str], workspace: Workspace) -> LabelledFilms:
    """The labelled films of a command. classes: of the model.

    A folder has a folder per class, of pictures or of DICOM; a table lies beside or above its films; a recipe is a name in
    recipes/ or a file like those, whose sources are read where they are.

    Raises:
        ValueError: there is nothing of that name, or its films or labels cannot be read.
    """
    place, rules = Path(asked.data).expanduser(), read_labels(asked.labels, classes)
    data, columns, pattern = asked.data, asked.columns, asked.pattern
    if place.is_dir():
        _refuse_columns(columns, "a folder has no table: name the table itself by --data")
        return _of_one(place, _read_folder(place, pattern, workspace), rules, workspace)
    if place.is_file() and place.suffix.lower() in RECIPES:
        return _read_recipe(place, asked, classes, workspace)
    if place.is_file():
        return _of_one(place, _read_sheet(place, columns, pattern, classes, workspace), rules, workspace)
    known = sorted(path.stem for path in (workspace.root / "recipes").glob("*.yaml"))
    if data in known:
        return _read_recipe(workspace.root / "recipes" / f"{data}.yaml", asked, classes, workspace)
    raise ValueError(
        f"--data must be a folder of films, a table (CSV) or a recipe ({', '.join(known) or 'there is none'}), got {data}, which "
        "is none of these"
    )


def _of_one(place: Path, table: Table, rules: Rules, workspace: Workspace) -> LabelledFilms:
    """Films of one source; those of DICOM name their patients by the salt below `.hilum`."""
    source, found = _name_source(place), find_files(table[0])
    hashed = bool(found.dicoms) and not found.pictures
    return LabelledFilms({source: table}, rules, {}, {source: name_salt(_keys(workspace)) if hashed else []})


def _refuse_columns(columns: str, why: str) -> None:
    if columns:
        raise ValueError(f"--columns must belong to a table, got {columns!r}; {why}")


def _refuse_pattern(pattern: str, why: str) -> None:
    if pattern:
        raise ValueError(f"--pattern must belong to a folder, or to a table of pictures, got {pattern!r}; {why}")


def _name_source(place: Path) -> str:
    """The name of the films in lists: that of their folder or table."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", place.resolve().stem).strip("-") or "films"


def _read_folder(root: Path, pattern: str, workspace: Workspace) -> Table:
    found = find_files(root)
    if found.pictures:
        tables = [str(path) for path in found.tables if len(path.parts) == 1 and path.suffix.lower() in (".csv", ".tsv")]
        if all(len(drop_images(path).parts) == 1 for path in found.pictures) and tables:
            raise ValueError(
                f"--data must name the table where films lie in no class folders, got the folder {root} with "
                f"{', '.join(tables)}; pass --data {root / tables[0]}"
            )
        table = read_folder(root, pattern)
        _tell_patients(table, "--pattern '(?P<patient>[^_]+)'")
        tell_unread(root, table)
        escape_names(table)
        return root, table
    if found.dicoms:
        return root, _read_dicom_folders(root, pattern, workspace)
    raise ValueError(f"--data must be a folder with films in a folder per class, got {root}, in which there is no film")


def _read_dicom_folders(root: Path, pattern: str, workspace: Workspace) -> pd.DataFrame:
    """A folder per class, of DICOM films; names of files stay out of every list, as they may name patients."""
    films, notes = read_headers(root, _keys(workspace), burned_in=True)
    loose = [film.file for film in films if len(film.file.parts) == 1]
    if loose:
        raise ValueError(
            f"every film must lie in a folder named after its class, or --data must name a table, got {len(loose)} DICOM films "
            f"directly below {root}"
        )
    salt, expression = read_salt(_keys(workspace)), compile_patient(pattern)
    rows = [{"finding": str(drop_images(film.file.parent))} for film in films]
    if expression:
        found = [expression.search(film.file.name) for film in films]
        patients = [(match and match["patient"]) or "" for match in found]
        if missed := patients.count(""):
            raise ValueError(
                f"the pattern {pattern!r} must find a patient in every file name, got {missed} of {len(films)} without one; "
                "widen it, or leave it out: each film's header then names its patient"
            )
        rows = [{**row, "patient_id": hide_patient(salt, one)} for row, one in zip(rows, patients, strict=True)]
    return make_dicom_table(root, films, rows, notes, PATIENT)


def _keys(workspace: Workspace) -> Path:
    """The place beside which the salt of films outside the project is: nothing is written beside a stranger's films."""
    workspace.cache.mkdir(parents=True, exist_ok=True)
    return workspace.cache / "outside"


def _read_sheet(file: Path, columns: str, pattern: str, classes: Sequence[str], workspace: Workspace) -> Table:
    if file.suffix.lower() not in (*TABLE_SUFFIXES, ".txt"):
        raise ValueError(f"--data must be a folder, a table (CSV) or a recipe, got the file {file}; name the folder it is in")
    root, header = file.resolve().parent, [str(name) for name in read_table(file, rows=0).columns]
    named, marks = choose_columns(columns, header, classes, file)
    patient = named.get("patient", "")
    found = find_files(root)
    if not found.pictures and found.dicoms:
        _refuse_pattern(pattern, "of a table of DICOM films, name the column with the patient by --columns 'patient=NAME'")
        if marks:
            raise ValueError(f"a table of DICOM films must have one column of findings, got one for each of {', '.join(marks)}")
        if drawn := sorted(list_annotations(named)):
            raise ValueError(
                f"boxes and masks must be of pictures, got {', '.join(drawn)} in {file.name}, a table of DICOM films; leave them "
                f"out: --columns '{' '.join(f'{what}=' for what in drawn)}'"
            )
        options = {"path": named["path"], "finding": named["finding"], "patient": patient}
        return root, read_dicom_folder(root, file.name, keys=_keys(workspace), **options)
    finding = {"findings": marks} if marks else {"finding": named["finding"], "separators": JOINTS}
    if not found.pictures:
        raise ValueError(
            f"a table must lie beside or above its films, got no film below {root}; copy {file.name} into the folder of the "
            "films, and name that copy by --data"
        )
    columns_of: dict[str, Any] = {**finding, **list_annotations(named)}
    try:
        table = read_csv(root, file.name, path=named["path"], pattern=pattern, patient=patient, **columns_of)
    except ValueError as fault:
        if named.get("boxes") and str(fault).startswith(("boxes must", "a box must")):
            raise ValueError(f"{fault} in {file.name}; correct it, or leave boxes out: --columns 'boxes='") from fault
        raise
    _tell_patients(table, "--columns 'patient=NAME' or --pattern '(?P<patient>[^_]+)'")
    tell_unread(root, table)
    escape_names(table)
    return root, table


def _tell_patients(table: pd.DataFrame, option: str) -> None:
    """Say what unknown patients mean where nothing is trained; in place."""
    table.attrs["notes"] = [
        f"{note.partition(UNKNOWN)[0]}{UNKNOWN}: where a patient has several, intervals are too narrow; name patients by {option}"
        if UNKNOWN in note
        else note
        for note in table.attrs["notes"]
    ]


def _read_recipe(file: Path, asked: AskedFilms, classes: Sequence[str], workspace: Workspace) -> LabelledFilms:
    """The sources and rules of a recipe; its classes that the model does not have become findings that no rule names."""
    _refuse_columns(asked.columns, "a recipe names its own")
    _refuse_pattern(asked.pattern, "a recipe names its own")
    written = read_yaml(workspace.params.read_text())
    chosen = check_params(name_fold_arms(written, apply_recipe(written, read_yaml(file.read_text()))))
    roots = {source: workspace.at_home(root) for source, root in read_roots(chosen, workspace.home).items()}
    places = {source: roots.get(source, workspace.at_home("")) for source in chosen.prepare.sources}
    tables = {source: _read_source(source, chosen, place, workspace) for source, place in places.items()}
    namings = {source: list_namings(chosen.acquire.sources[source], place) for source, place in places.items()}
    if asked.labels:
        return LabelledFilms(tables, read_labels(asked.labels, classes), {}, namings)
    own = {source: _keep_classes(rules, classes) for source, rules in chosen.prepare.labels_by_source.items()}
    return LabelledFilms(tables, _keep_classes(chosen.prepare.labels, classes), own, namings)


def _keep_classes(rules: Rules, classes: Sequence[str]) -> dict[str, list[str]]:
    kept = {name: list(findings) for name, findings in rules.items() if name in (*classes, EXCLUDED)}
    return {name: [] for name in classes if name not in kept} | kept


def _read_source(name: str, params: Params, root: Path, workspace: Workspace) -> Table:
    source = params.acquire.sources[name]
    folder = workspace.raw(name) if isinstance(source, PhantomSource) else root
    return read_films(source, folder, folder)
