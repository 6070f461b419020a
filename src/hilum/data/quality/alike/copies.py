"""Copies of a film: which one stays, and which patients they link."""

import pandas as pd

PROBLEMS = ("image_id", "path", "problem", "detail")  # columns of every problem list


def find_copies(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Films to leave out because others have the same pixels (the same bytes included), and the patients linked by them.

    Of films with one label one stays: the one in the official test part if there is one, else the first by image_id. Films with
    different labels are all left out.

    rows: columns image_id, path, sha256, pixel_sha256, label, official_split, patient_id.
    Returns rows for the problem list, and a table with the columns patient_id, other.
    """
    problems, linked = [], []
    for _, same in rows[rows["pixel_sha256"].duplicated(keep=False)].groupby("pixel_sha256"):
        same = same.sort_values("image_id")
        patients = sorted(set(same["patient_id"]))
        linked += [(patients[0], other) for other in patients[1:]]
        in_test = same[same["official_split"] == "test"]
        stays = (in_test if len(in_test) else same).iloc[0]
        listed = ", ".join(f"{name} ({label})" for name, label in zip(same["image_id"], same["label"], strict=True))
        for row in same.itertuples():
            if same["label"].nunique() > 1:
                problems.append(
                    (row.image_id, row.path, "conflicting labels", f"the same pixels with different labels: {listed}")
                )
            elif row.image_id != stays["image_id"]:
                kind = "bytes" if row.sha256 == stays["sha256"] else "pixels"
                part = " in the official test part" if len(in_test) else ""
                problems.append((row.image_id, row.path, "copy", f"the same {kind} as {stays['image_id']}{part}, which stays"))
    table = pd.DataFrame(problems, columns=list(PROBLEMS)).sort_values("image_id", ignore_index=True)
    return table, pd.DataFrame(linked, columns=["patient_id", "other"]).drop_duplicates(ignore_index=True)
