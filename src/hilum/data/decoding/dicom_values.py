"""The conversion from stored values to brightness in a DICOM header, read as tolerantly as pydicom reads it.

An invalid part of the header is ignored with a remark, and the film is still read.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from hilum.data.decoding.dicom_header import hide_values, read_number, read_numbers, read_text
from hilum.data.decoding.windowing import (
    FUNCTIONS,
    Lookup,
    Window,
    apply_lookup,
    apply_window,
    count_patterns,
    find_window_fault,
    window_percentiles,
)

VALUE_TAGS = (
    *("PixelPaddingValue", "PixelPaddingRangeLimit", "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence"),
    *("VOILUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction"),
)
OWN_VALUES = "the film is drawn between percentiles of its own values"

_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,(\d{1,2}|\d{4,})")  # three digits after a comma may be thousands


@dataclass(frozen=True)
class Scale:
    """The conversion from stored values to brightness.

    modality: a table, (slope, intercept), or None: values as stored. interest: a table, a window, or None: between percentiles of
    the film's own values. padding: the ends of the range of values that are no film, or none. remarks: what is invalid in the
    header, and what was done instead; they quote numbers only.
    """

    modality: Lookup | tuple[float, float] | None = None
    interest: Lookup | Window | None = None
    padding: tuple[int, ...] = ()
    remarks: tuple[str, ...] = ()


def read_scale(header: Dataset) -> Scale:
    """The conversion given by the attributes VALUE_TAGS of a header; nothing in them is refused."""
    remarks: list[str] = []
    modality, meant = _read_modality(header, remarks)
    interest = _read_interest(header, remarks) if meant else None
    padding = _read_padding(header, remarks)
    return Scale(modality, interest, padding, tuple(remarks))


def to_brightness(scale: Scale, values: NDArray[np.float64], patterns: NDArray[Any], bits: int) -> NDArray[np.float64]:
    """Brightness 0-1 of every stored value (2**bits,); patterns: the film (H, W), for percentiles without a window."""
    if isinstance(scale.modality, Lookup):
        values = apply_lookup(values, scale.modality)
    elif scale.modality is not None:
        values = values * scale.modality[0] + scale.modality[1]
    if isinstance(scale.interest, Lookup):
        return apply_lookup(values, scale.interest) / scale.interest.top
    if scale.interest is not None:
        return apply_window(values, scale.interest)
    counts = count_patterns(patterns, bits)
    if scale.padding:
        ends = [value % 2**bits for value in scale.padding]
        without = counts.copy()
        without[min(ends) : max(ends) + 1] = 0
        counts = without if without.any() else counts
    return window_percentiles(values, counts)


def _read_modality(header: Dataset, remarks: list[str]) -> tuple[Lookup | tuple[float, float] | None, bool]:
    """The step from stored values to units, and whether the units of a window are known."""
    try:
        lookup = _read_lookup(header, "ModalityLUTSequence")
    except ValueError as error:
        remarks.append(f"{error}; stored values are used as they are, and {OWN_VALUES}")
        return None, False
    if lookup is not None:
        return lookup, True
    slope, intercept = (_read_some(header, key, remarks) for key in ("RescaleSlope", "RescaleIntercept"))
    if bool(slope) != bool(intercept):
        remarks.append("one of rescale slope and intercept is given without the other: stored values are used as they are")
    if not slope or not intercept:
        return None, True
    if not np.isfinite(slope[0]) or not np.isfinite(intercept[0]) or slope[0] == 0:
        values = f"got {slope[0]:g} and {intercept[0]:g}"
        remarks.append(
            f"rescale slope and intercept must be finite and the slope not 0, {values}: stored values are used as they are, and "
            f"{OWN_VALUES}"
        )
        return None, False
    return (slope[0], intercept[0]), True


def _read_interest(header: Dataset, remarks: list[str]) -> Lookup | Window | None:
    """The first table, else the first valid window."""
    try:
        lookup = _read_lookup(header, "VOILUTSequence")
    except ValueError as error:
        lookup = None
        remarks.append(f"{error}: it is ignored")
    if lookup is not None:
        return lookup
    centres, widths = (_read_some(header, key, remarks) for key in ("WindowCenter", "WindowWidth"))
    if bool(centres) != bool(widths):
        which = ("centre", "width") if centres else ("width", "centre")
        remarks.append(f"a window has a {which[0]} and no {which[1]}: {OWN_VALUES}")
    if not centres or not widths:
        return None
    function = _read_function(header, remarks)
    windows = [Window(centre, width, function) for centre, width in zip(centres, widths, strict=False)]
    faults = [find_window_fault(window) for window in windows]
    chosen = next((window for window, fault in zip(windows, faults, strict=True) if not fault), None)
    if faults[0]:
        remarks.append(f"{faults[0]}: {'another window of the header is used' if chosen else OWN_VALUES}")
    return chosen


def _read_function(header: Dataset, remarks: list[str]) -> str:
    try:
        function = read_text(header, "VOILUTFunction").upper() or FUNCTIONS[0]
    except ValueError:
        function = "?"
    if function in FUNCTIONS:
        return function
    remarks.append(f"the function of a window must be one of {', '.join(FUNCTIONS)}, got another word: {FUNCTIONS[0]} is used")
    return FUNCTIONS[0]


def _read_padding(header: Dataset, remarks: list[str]) -> tuple[int, ...]:
    value, limit = (_read_some(header, key, remarks)[:1] for key in ("PixelPaddingValue", "PixelPaddingRangeLimit"))
    return tuple(int(end) for end in [*value, *limit] if np.isfinite(end)) if value else ()


def _read_some(header: Dataset, key: str, remarks: list[str]) -> list[float]:
    """The numbers of an attribute, with decimal commas as some exports write them; none, and a remark, if it holds others."""
    try:
        return read_numbers(header, key)
    except ValueError:
        value = getattr(header.get_item(key), "value", "")  # as in the file, where pydicom cannot read it as a number
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    parts = value.split("\\") if isinstance(value, str) else value if isinstance(value, MultiValue) else []
    words = [str(word).strip(" \0") for word in parts]
    if words and all(_NUMBER.fullmatch(word) or _DECIMAL_COMMA.fullmatch(word) for word in words):
        remarks.append(f"{key} is written with decimal commas, which are read as points")
        return [float(word.replace(",", ".")) for word in words]
    remarks.append(f"{key} holds no numbers: it is ignored")
    return []


def _read_lookup(header: Dataset, key: str) -> Lookup | None:
    """The first look-up table of a sequence. Raises ValueError if it is damaged."""
    with hide_values(f"the {key} of the header is damaged"):
        items = header.get(key)
        if not items:
            return None
        count, first, bits = (int(number) for number in _unpack(items[0]["LUTDescriptor"].value, header, 3))
        count = count or 2**16
        if first >= 2**15 and read_number(header, "PixelRepresentation", 0) == 1:
            first -= 2**16
        entries = _unpack(items[0]["LUTData"].value, header, count)
    if len(entries) != count or not 8 <= bits <= 16:
        raise ValueError(
            f"the {key} must have the {count} entries that it promises, of 8 to 16 bits, got {len(entries)} of {bits} bits"
        )
    return Lookup(first, entries, float(max(2**bits - 1, entries.max())))


def _unpack(value: object, header: Dataset, count: int) -> NDArray[np.float64]:
    """Numbers of a look-up table, which pydicom gives as a list or, where the header leaves their type open, as bytes."""
    if not isinstance(value, bytes):
        return np.atleast_1d(np.asarray(value, np.float64))
    order = ">" if header.file_meta.TransferSyntaxUID == uid.ExplicitVRBigEndian else "<"
    narrow = count <= len(value) <= count + 1
    return np.frombuffer(value, np.uint8 if narrow else np.dtype(f"{order}u2"))[:count].astype(np.float64)
