"""Films are treated as those of the model were, also where it was saved by an earlier version."""

from hilum.data.burned_in.treatment import Treatment
from hilum.data.model_treatment import read_treatment


def test_models_of_earlier_versions_say_less() -> None:
    assert read_treatment({}) == Treatment("keep", "letters")
    assert read_treatment({"markers": "inpaint"}, "stop") == Treatment("inpaint", "letters", "stop")
