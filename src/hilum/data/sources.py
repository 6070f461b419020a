"""Which reader reads which form of data set: a root in, a table out, one row per film in the columns of the manifest."""

from collections.abc import Callable

import pandas as pd

from hilum.data.phantom import read_phantom
from hilum.data.readers.dicom_folder import read_dicom_folder
from hilum.data.readers.folder import read_folder
from hilum.data.readers.kermany import read_kermany
from hilum.data.readers.rsna import read_rsna

SOURCES: dict[str, Callable[..., pd.DataFrame]] = {
    "phantom": read_phantom,
    "kermany": read_kermany,
    "folder": read_folder,
    "dicom": read_dicom_folder,
    "rsna": read_rsna,
}
