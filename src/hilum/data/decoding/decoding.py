"""From the files of one film to all that `prepare` keeps of them."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from hilum.data.burned_in.treatment import Treatment
from hilum.data.decoding.covered_film import CoveredFilm, Told, prepare_covered, tell_burned_in
from hilum.data.decoding.depth import GREY_BITS
from hilum.data.decoding.images import read_mask
from hilum.data.decoding.limits import ResourceLimitError
from hilum.data.prepared.geometry import Geometry
from hilum.data.prepared.whole_masks import encode_mask

Behind = tuple[NDArray[np.int32], NDArray[np.uint8]]  # (P,) places in the flattened film, and their original grey levels


@dataclass(frozen=True)
class DecodedFilm:
    """The result of decoding the files of one film at one size.

    broken: why the film could not be decoded; everything else is then empty.
    lasting: the same files always give this; not if a limit of memory or time was reached.
    film: (size, size) uint8. pixel_sha256: of its bytes.
    burned_in: the film's row of covering.COLUMNS, without its name.
    behind: the original pixels that covering changed.
    masks: kind -> (size, ceil(size / 8)) uint8, as numpy.packbits makes them. whole_masks: kind -> the mask as it was drawn, of
    `whole_masks.encode_mask`. mask_faults: kind -> why it could not be decoded.
    remarks: oddities of the film's file that did not prevent reading.
    """

    broken: str = ""
    lasting: bool = True
    film: NDArray[np.uint8] | None = None
    pixel_sha256: str = ""
    geometry: Geometry | None = None
    burned_in: Told | None = None
    behind: Behind | None = None
    masks: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    whole_masks: dict[str, bytes] = field(default_factory=dict)
    mask_faults: dict[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def decode_film(
    film: bytes, masks: Mapping[str, bytes], size: int, square: str, treatment: Treatment, bits: Sequence[int] = GREY_BITS
) -> DecodedFilm:
    """Decode, square and resize a film and its masks; a fault of the files is part of the result.

    film, masks: content of the files; masks by kind. size: side in pixels. square: pad or stretch. treatment: of what is burned
    in. bits: the depths that a film of 16 bits may have.
    """
    try:
        ready = prepare_covered(BytesIO(film), size, square, treatment, bits)
    except ResourceLimitError as error:
        return DecodedFilm(broken=str(error), lasting=False)
    except ValueError as error:
        return DecodedFilm(broken=str(error))
    packed, whole, faults, lasting = {}, {}, {}, True
    for kind, content in masks.items():
        try:
            drawn = read_mask(BytesIO(content))
            packed[kind], whole[kind] = np.packbits(ready.geometry.mask_to_prepared(drawn), axis=-1), encode_mask(drawn)
        except ValueError as error:
            faults[kind] = str(error)
            lasting = lasting and not isinstance(error, ResourceLimitError)
    lungs = np.unpackbits(packed["lung_mask"], axis=-1, count=size).astype(bool) if "lung_mask" in packed else None
    return DecodedFilm(
        lasting=lasting,
        film=ready.film,
        pixel_sha256=hashlib.sha256(ready.film.tobytes()).hexdigest(),
        geometry=ready.geometry,
        burned_in=tell_burned_in(ready, lungs),
        behind=_list_behind(ready),
        masks=packed,
        whole_masks=whole,
        mask_faults=faults,
        remarks=ready.remarks,
    )


def put_back(film: NDArray[np.uint8], behind: Behind | None) -> NDArray[np.uint8]:
    """The film (size, size) with the covered pixels restored, if any."""
    before = film.copy()
    if behind is not None:
        before.flat[behind[0]] = behind[1]
    return before


def _list_behind(ready: CoveredFilm) -> Behind | None:
    places = np.flatnonzero(ready.film != ready.before).astype(np.int32)
    return (places, ready.before.flat[places]) if len(places) else None
