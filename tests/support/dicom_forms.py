"""Real DICOM files of every form a film comes in, made from pixels with the encoders of pydicom, GDCM and Pillow."""

import tempfile
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import gdcm
import numpy as np
import pydicom
from numpy.typing import NDArray
from openjpeg.utils import encode_array
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate

NAME, PATIENT = "Roentgen^Anna Bertha", "HOSPITAL-0001"
NATIVE = {
    "implicit": uid.ImplicitVRLittleEndian,
    "explicit": uid.ExplicitVRLittleEndian,
    "big endian": uid.ExplicitVRBigEndian,
    "deflated": uid.DeflatedExplicitVRLittleEndian,
}
BY_PYDICOM = {
    "RLE": uid.RLELossless,
    "JPEG-LS": uid.JPEGLSLossless,
    "JPEG-LS near-lossless": uid.JPEGLSNearLossless,
}
BY_OPENJPEG = {"JPEG 2000 lossless": uid.JPEG2000Lossless, "JPEG 2000": uid.JPEG2000}
BY_GDCM = {
    "JPEG lossless, process 14": gdcm.TransferSyntax.JPEGLosslessProcess14,
    "JPEG lossless, SV1": gdcm.TransferSyntax.JPEGLosslessProcess14_1,
}
BY_PILLOW = {"JPEG baseline": uid.JPEGBaseline8Bit, "JPEG extended, 8 bits": uid.JPEGExtended12Bit}
LOSSLESS = (*NATIVE, "RLE", "JPEG-LS", "JPEG 2000 lossless", *BY_GDCM)
LOSSY = ("JPEG-LS near-lossless", "JPEG 2000")
LOSSY_8_BIT = tuple(BY_PILLOW)
SETTINGS: dict[str, dict[str, Any]] = {"JPEG-LS near-lossless": {"jls_error": 1}, "JPEG 2000": {"compression_ratios": [5]}}


def describe(pixels: NDArray[Any], bits: int | None = None, **attributes: Any) -> Dataset:
    """A film's data set, uncompressed: (H, W) or (H, W, 3), unsigned or signed; `attributes` by keyword, None leaves one out."""
    film = Dataset()
    film.SOPClassUID, film.SOPInstanceUID = uid.DigitalXRayImageStorageForPresentation, uid.generate_uid()
    film.PatientName, film.PatientID, film.PatientSex, film.PatientAge = NAME, PATIENT, "F", "041Y"
    film.PatientBirthDate, film.InstitutionName, film.Modality, film.ViewPosition = "18720101", "Wuerzburg", "DX", "PA"
    film.BurnedInAnnotation = "NO"
    film.Rows, film.Columns = pixels.shape[:2]
    film.SamplesPerPixel = 1 if pixels.ndim == 2 else 3
    film.PhotometricInterpretation = "MONOCHROME2" if pixels.ndim == 2 else "RGB"
    if pixels.ndim == 3:
        film.PlanarConfiguration = 0
    film.BitsAllocated = 8 * pixels.dtype.itemsize
    film.BitsStored = bits or film.BitsAllocated
    film.HighBit = film.BitsStored - 1
    film.PixelRepresentation = int(pixels.dtype.kind == "i")
    film.PixelData = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    film["PixelData"].VR = "OW" if film.BitsAllocated == 16 else "OB"
    for key, value in attributes.items():
        if value is None:
            delattr(film, key)
        else:
            setattr(film, key, value)
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    film.file_meta.MediaStorageSOPClassUID = film.SOPClassUID
    film.file_meta.MediaStorageSOPInstanceUID = film.SOPInstanceUID
    return film


def write(film: Dataset, form: str = "explicit") -> bytes:
    """The bytes of a file of one form; see LOSSLESS, LOSSY and LOSSY_8_BIT."""
    if form in BY_GDCM:
        return _write_by_gdcm(film, BY_GDCM[form])
    if form in BY_PILLOW:
        return write_code(film, BY_PILLOW[form], jpeg_bytes(film))
    if form in BY_OPENJPEG:
        code = encode_array(film_pixels(film), bits_stored=film.BitsStored, **SETTINGS.get(form, {}))
        return write_code(film, BY_OPENJPEG[form], code)
    syntax = NATIVE.get(form) or BY_PYDICOM[form]
    if form in BY_PYDICOM:
        film.compress(syntax, generate_instance_uid=False, **SETTINGS.get(form, {}))
    elif form == "big endian" and film.BitsAllocated == 16:
        film.PixelData = np.frombuffer(film.PixelData, "<u2").astype(">u2").tobytes()
    film.file_meta.TransferSyntaxUID = syntax
    return _save(film, syntax)


def write_code(film: Dataset, syntax: uid.UID, code: bytes) -> bytes:
    """A file whose pixels are a codestream as it is, whatever the header says."""
    film.PixelData = encapsulate([code])
    film["PixelData"].VR = "OB"
    film["PixelData"].is_undefined_length = True
    film.file_meta.TransferSyntaxUID = syntax
    return _save(film, syntax)


def film_pixels(film: Dataset) -> NDArray[Any]:
    """The pixels that `describe` was given."""
    shape = (film.Rows, film.Columns, 3)[: 3 if film.SamplesPerPixel == 3 else 2]
    kind = np.dtype(f"<{'i' if film.PixelRepresentation else 'u'}{film.BitsAllocated // 8}")
    return np.frombuffer(film.PixelData, kind).reshape(shape)


def jpeg_bytes(film: Dataset, quality: int = 95) -> bytes:
    stream = BytesIO()
    Image.fromarray(film_pixels(film)).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def deflate(film: Dataset, repeated: bytes, times: int) -> bytes:
    """A deflated file whose body is the data set's and then `repeated` many times, none of which is ever in memory."""
    head = write(film, "deflated")
    end = 144 + int.from_bytes(head[140:144], "little")
    body = zlib.decompressobj(-zlib.MAX_WBITS).decompress(head[end:])
    return head[:end] + raw_deflate(body) + raw_deflate(repeated) * times + zlib.compressobj(9, zlib.DEFLATED, -15).flush()


def raw_deflate(content: bytes) -> bytes:
    """Whole blocks of a raw deflate stream, which can be repeated and joined; the stream has no end yet."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush(zlib.Z_FULL_FLUSH)


def _save(film: Dataset, syntax: uid.UID) -> bytes:
    stream = BytesIO()
    implicit, little = syntax == uid.ImplicitVRLittleEndian, syntax != uid.ExplicitVRBigEndian
    pydicom.dcmwrite(stream, film, implicit_vr=implicit, little_endian=little, enforce_file_format=True)
    return stream.getvalue()


def _write_by_gdcm(film: Dataset, syntax: int) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        plain, coded = Path(folder) / "plain.dcm", Path(folder) / "coded.dcm"
        plain.write_bytes(write(film, "explicit"))
        reader = gdcm.ImageReader()
        reader.SetFileName(str(plain))
        assert reader.Read()
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(syntax))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer = gdcm.ImageWriter()
        writer.SetFileName(str(coded))
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()
        return coded.read_bytes()
