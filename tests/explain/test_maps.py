from pathlib import Path

from hilum.explain.maps import background_films
from hilum.settings.params import read_params


def test_as_many_background_films_are_drawn_as_the_method_asks_for_that_asks_for_most() -> None:
    settings = read_params(Path(__file__).parents[2] / "params.yaml").explain

    def asking(shap: int, shap_layer: int) -> int:
        changed = {
            "shap": settings.shap.model_copy(update={"background": shap}),
            "shap_layer": settings.shap_layer.model_copy(update={"background": shap_layer}),
        }
        return background_films(settings.model_copy(update=changed))

    assert background_films(settings) == 50
    assert asking(20, 30) == 30
    assert asking(31, 30) == 31
