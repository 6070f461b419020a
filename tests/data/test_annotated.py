"""Which films an expert has drawn on: a mask's path or a box, and no box where the list of boxes is empty."""

import pandas as pd

from hilum.data.annotated import annotated_kinds, has_annotation

ROWS = pd.DataFrame(
    {
        "boxes": ["", "[]", "[[1, 2, 3, 4]]", "[]"],
        "lesion_mask": ["", "", "", "s/lesion.png"],
        "lung_mask": ["s/lungs.png", "", "", ""],
    },
    index=[7, 5, 3, 1],
)


def test_a_film_has_the_kinds_whose_column_names_something() -> None:
    found = annotated_kinds(ROWS)
    assert found.index.tolist() == [7, 5, 3, 1] and found.columns.tolist() == ["lesion", "box", "lungs"]
    assert found.to_numpy().tolist() == [[False, False, True], [False] * 3, [False, True, False], [True, False, False]]


def test_one_of_the_wanted_kinds_is_enough() -> None:
    assert has_annotation(ROWS).tolist() == [True, False, True, True]
    assert has_annotation(ROWS, ["box"]).tolist() == [False, False, True, False]
    assert has_annotation(ROWS, ["lesion", "lungs"]).tolist() == [True, False, False, True]
    assert has_annotation(ROWS.head(0)).tolist() == []
