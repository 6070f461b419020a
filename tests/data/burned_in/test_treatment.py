"""The words of what is done with what is burned in."""

import pytest

from hilum.data.burned_in.search import READERS
from hilum.data.burned_in.treatment import Treatment
from hilum.settings.params import Prepare


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("blur", "text", "keep"), "`burned_in` must be one of keep, inpaint, got 'blur'"),
        (("inpaint", "eyes", "keep"), "`burned_in_reader` must be one of letters, text, ocr, got 'eyes'"),
        (("inpaint", "text", "drop"), "`burned_in_left` must be one of keep, exclude, stop, got 'drop'"),
    ],
)
def test_another_word_is_refused(words: tuple[str, str, str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Treatment(*words)


def test_where_all_is_kept_letters_are_counted() -> None:
    assert Treatment("keep", "text").searches == "letters"
    assert Treatment("inpaint", "text").searches == "text"


def test_the_settings_know_every_reader() -> None:
    assert set(Prepare.model_fields["burned_in_reader"].annotation.__args__) == set(READERS)
