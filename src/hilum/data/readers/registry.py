"""Which reader reads which form of data set: a root in, a table out, one row per film in the columns of the manifest."""

from collections.abc import Callable

import pandas as pd

from hilum.data.phantom.phantom import read_phantom
from hilum.data.readers.covid_chestxray import find_covid_chestxray_faults, read_covid_chestxray
from hilum.data.readers.csv import find_csv_faults, read_csv
from hilum.data.readers.dicom_folder import read_dicom_folder
from hilum.data.readers.figure1 import find_figure1_faults, read_figure1
from hilum.data.readers.folder import find_folder_faults, read_folder
from hilum.data.readers.kermany import read_kermany
from hilum.data.readers.nih import find_nih_faults, read_nih
from hilum.data.readers.rsna import read_rsna

SOURCES: dict[str, Callable[..., pd.DataFrame]] = {
    "phantom": read_phantom,
    "kermany": read_kermany,
    "folder": read_folder,
    "csv": read_csv,
    "covid_chestxray": read_covid_chestxray,
    "figure1": read_figure1,
    "nih": read_nih,
    "dicom": read_dicom_folder,
    "rsna": read_rsna,
}
# Readers of one published data set each: a patient's name means the same person in whatever folder the set lies.
PUBLISHED = ("kermany", "covid_chestxray", "figure1", "nih", "rsna")
# What `check` can say at once against a root and the reader's own settings, with the arguments of the reader: a list of faults.
FAULTS: dict[str, Callable[..., list[str]]] = {
    "folder": find_folder_faults,
    "csv": find_csv_faults,
    "covid_chestxray": find_covid_chestxray_faults,
    "figure1": find_figure1_faults,
    "nih": find_nih_faults,
}
