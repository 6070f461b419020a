"""What `evaluate` draws of an arm's training."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from tiny_task import CLASSES, SIZE, make_rows, make_settings

from hilum.evaluation import contact_sheet
from hilum.evaluation.contact_sheet import GAP, LINE, MARGIN, choose_films
from hilum.results import flatten
from hilum.settings.params import check_params
from hilum.stages.evaluate import decided_by, draw_augmented
from hilum.training.learning.augmentation import Changes, draw_views

ROWS = make_rows(24, seed=1)


@pytest.mark.parametrize("seed", ["train.seed", "seed"])  # models of earlier versions were trained with one seed for all
def test_views_are_the_very_ones_that_training_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: str) -> None:
    monkeypatch.setattr(contact_sheet, "SIDE", SIZE)  # so that a film keeps its pixels
    augment = make_settings().augment
    draw_augmented(tmp_path, ROWS, list(CLASSES), {**flatten(augment, "train.augment"), seed: 5, "train.batch_size": 7})
    sheet = np.asarray(Image.open(tmp_path / "views.png"))
    first = choose_films(ROWS, 3, seed=5)[0][:1]
    changes = Changes(**augment.model_dump(exclude={"views"}))
    top = MARGIN + 2 * LINE
    for view in range(augment.views):
        left = MARGIN + (1 + view) * (SIZE + GAP)
        shown = sheet[top : top + SIZE, left : left + SIZE, 0]
        np.testing.assert_array_equal(shown, draw_views(ROWS.take(first), view, 5, changes)[0])


def test_a_training_of_an_earlier_version_has_its_views_too(tmp_path: Path) -> None:
    told = flatten(make_settings().augment, "train.augment")
    del told["train.augment.erase"], told["train.augment.unchanged"]
    draw_augmented(tmp_path, ROWS, list(CLASSES), {**told, "train.seed": 5})
    assert (tmp_path / "views.png").is_file()


def test_the_age_groups_of_the_subgroups_decide_an_evaluation_too() -> None:
    values = yaml.safe_load((Path(__file__).resolve().parents[2] / "params.yaml").read_text())
    known = decided_by(check_params(values))
    assert known.items() >= flatten(values["evaluate"]).items()
    values["split"]["confounding"]["age_groups"] = [0.5, 70]
    assert decided_by(check_params(values)) != known
