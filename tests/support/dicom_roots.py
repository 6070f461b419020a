"""Small roots of DICOM films with their tables, whose paths and headers carry names that must not get out."""

from pathlib import Path
from typing import Any

import numpy as np
from dicom_forms import describe, write
from pydicom import uid

SECRETS = ("Roentgen", "Roentgen_Anna", "HOSPITAL", "18720101", "Wuerzburg")  # in paths or headers of the films below


def write_film(path: Path, seed: int, form: str = "explicit", **attributes: Any) -> str:
    """A film of noise; returns its SOP Instance UID."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 4096, (30, 24)).astype(np.uint16)
    described = describe(pixels, 12, **attributes)
    path.write_bytes(write(described, form))
    return str(described.SOPInstanceUID)


def write_dicom_root(root: Path, films: int = 6) -> list[str]:
    """Films of three patients with labels.csv; returns the UIDs. Names are in folders and headers; endings differ."""
    lines, uids = ["file,finding,ward"], []
    for k in range(films):
        name = f"Roentgen_Anna_{k // 2}/film{k}{('.dcm', '.DICOM', '')[k % 3]}"
        uids.append(write_film(root / name, k, ("explicit", "JPEG-LS", "deflated")[k % 3], PatientID=f"HOSPITAL-{k // 2}"))
        lines.append(f"{name},{('normal', 'pneumonia/viral')[k % 2]},Wuerzburg 3")
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    return uids


def write_rsna_root(root: Path) -> None:
    """Three films, one of each finding; the ill one has two boxes and so two rows in both tables."""
    films = {"aaaa": "Normal", "bbbb": "No Lung Opacity / Not Normal", "cccc": "Lung Opacity"}
    attributes = {"SOPClassUID": uid.SecondaryCaptureImageStorage, "BurnedInAnnotation": None, "PatientAge": "51"}
    for seed, name in enumerate(films):
        write_film(root / "stage_2_train_images" / f"{name}.dcm", seed, PatientID=name, **attributes)
    (root / "stage_2_train_labels.csv").write_text(
        "patientId,x,y,width,height,Target\n"
        "aaaa,,,,,0\nbbbb,,,,,0\ncccc,264.0,152.0,213.0,379.0,1\ncccc,562.0,152.5,256.0,453.0,1\n"
    )
    rows = [f"{name},{finding}" for name, finding in [*films.items(), ("cccc", "Lung Opacity")]]
    (root / "stage_2_detailed_class_info.csv").write_text("\n".join(["patientId,class", *rows]) + "\n")
