"""Films whose label the predictions contradict most: a list and a contact sheet for review."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hilum.evaluation.style import new_figure, styled, wrapped
from hilum.records import Films, Predictions

COLUMNS_OF_SHEET = 6


def find_contradictions(predictions: Predictions, fold: NDArray[np.str_]) -> pd.DataFrame:
    """The films to which another class is more probable than their label, the widest margin first.

    predictions: of models not trained on the film. fold: (N,) in which each was held out.
    Columns: image_id, patient_id, fold, label, predicted (the most probable class), p_label, p_predicted, margin (p_predicted
    minus p_label). A wide margin means a wrong label, an unusual film, or a mistake of the model: only an expert can decide.

    Source: the margin of Northcutt et al. 2021, doi 10.1613/jair.1.12125, section 4.
    """
    rows, names = np.arange(len(predictions.y_true)), np.array(predictions.classes)
    best = predictions.y_prob.argmax(axis=1)
    own, other = predictions.y_prob[rows, predictions.y_true], predictions.y_prob[rows, best]
    table = pd.DataFrame(
        {
            "image_id": predictions.image_id,
            "patient_id": predictions.patient_id,
            "fold": fold,
            "label": names[predictions.y_true],
            "predicted": names[best],
            "p_label": own,
            "p_predicted": other,
            "margin": other - own,
        }
    )
    table = table[best != predictions.y_true]
    return table.sort_values(["margin", "image_id"], ascending=[False, True], ignore_index=True)


@styled
def contradiction_sheet(table: pd.DataFrame, films: Films, title: str) -> Figure:
    """A picture per row of `find_contradictions` with its label and what was predicted; an empty table says so.

    films: (N, H, W) uint8, in the order of the rows.
    """
    lines = max(1, -(-len(table) // COLUMNS_OF_SHEET))
    figure = new_figure(2.0 * COLUMNS_OF_SHEET, 2.75 * lines + 0.4 if len(table) else 1.2, title)
    cells = figure.subplots(lines, COLUMNS_OF_SHEET, squeeze=False).ravel()
    for cell in cells:
        cell.set_axis_off()
    if not len(table):
        cells[0].text(0, 0.5, "No label is contradicted.", fontsize=10)
    for cell, film, row in zip(cells, films, table.to_dict("records"), strict=False):
        cell.imshow(film, cmap="gray", vmin=0, vmax=255)
        text = f"label {row['label']} {row['p_label']:.2f}\n{row['predicted']} {row['p_predicted']:.2f}"
        cell.set_title(text, fontsize=8.5, fontweight="normal", loc="left")
        cell.text(0, -0.04, wrapped(str(row["image_id"]), 26), transform=cell.transAxes, va="top", fontsize=7, color="#55606d")
    return figure
