"""The readers by kind of data set: from a root to a table, one row per film in the columns of the manifest."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from hilum.data.phantom.phantom import read_phantom
from hilum.data.readers.covid_chestxray import find_covid_chestxray_faults, read_covid_chestxray
from hilum.data.readers.csv import find_csv_faults, read_csv
from hilum.data.readers.dicom_folder import find_dicom_faults, read_dicom_folder
from hilum.data.readers.figure1 import find_figure1_faults, read_figure1
from hilum.data.readers.folder import find_folder_faults, read_folder
from hilum.data.readers.kermany import read_kermany
from hilum.data.readers.nih import find_nih_faults, read_nih
from hilum.data.readers.rsna import find_rsna_faults, read_rsna


@dataclass(frozen=True, kw_only=True)
class Reader:
    """The reader of one kind of data set; its settings are the class of the same `reader` in `settings/sources.py`.

    read: (root, the reader's own settings by name) -> a row per film in columns of MANIFEST; its docstring is the data sheet.
    faults: what `check` finds at once in a root and those settings: a list of faults; None: none before the films are read.
    published: True if it reads one published data set: then a patient's name means the same person in whatever folder the set
        is, and pretraining leaves out the patients that the task has. It has no default, because a wrong guess leaks patients.
    """

    read: Callable[..., pd.DataFrame]
    faults: Callable[..., list[str]] | None
    published: bool


READERS: dict[str, Reader] = {
    "phantom": Reader(read=read_phantom, faults=None, published=False),
    "kermany": Reader(read=read_kermany, faults=None, published=True),
    "folder": Reader(read=read_folder, faults=find_folder_faults, published=False),
    "csv": Reader(read=read_csv, faults=find_csv_faults, published=False),
    "covid_chestxray": Reader(read=read_covid_chestxray, faults=find_covid_chestxray_faults, published=True),
    "figure1": Reader(read=read_figure1, faults=find_figure1_faults, published=True),
    "nih": Reader(read=read_nih, faults=find_nih_faults, published=True),
    "dicom": Reader(read=read_dicom_folder, faults=find_dicom_faults, published=False),
    "rsna": Reader(read=read_rsna, faults=find_rsna_faults, published=True),
}
