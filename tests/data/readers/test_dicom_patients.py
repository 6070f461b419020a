"""Placeholders in place of a patient's identifier."""

import pytest

from hilum.data.readers.dicom_patients import name_placeholder


@pytest.mark.parametrize(
    ("identifier", "word"),
    [
        ("ANONYMOUS", "ANONYMOUS"),
        (" Anon^ ", "ANON"),
        ("de-identified", "DEIDENTIFIED"),
        ("n/a", "NA"),
        ("No ID", "NOID"),
        ("0000000", "0"),
        ("0", "0"),
        ("XXXXX", "X"),
        ("--", "punctuation"),
        ("", ""),
        ("  ", ""),
        ("1", ""),
        ("ANON0001", ""),  # a pseudonym tells patients apart
        ("unknown-17", ""),
        ("100000", ""),
    ],
)
def test_a_placeholder_is_distinguished_from_an_identifier(identifier: str, word: str) -> None:
    assert name_placeholder(identifier) == word
