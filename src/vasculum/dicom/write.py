"""Write a DICOM file as a stream: the header from memory, the pixels slab by slab.

The pixel element is the last of the file and its value begins at a multiple of 4096 bytes, so that a detached NRRD
header can point into the file and the system can map it into memory.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vasculum.errors import Invalid, Unsupported
from vasculum.model.voxels import STREAM_BYTES, release

from .elements import require_valid
from .uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

PAGE_BYTES = 4096
"""Pixel values begin at a multiple of this."""

LARGEST_PIXEL_BYTES = 2**32 - PAGE_BYTES
"""A native pixel element states its length in 32 bits (PS3.5 section 7.1.2)."""

PRIVATE_GROUP = 0x0099
PRIVATE_CREATOR = "VASCULUM 1.0"
RECORD_ELEMENT = 0x01
"""(0099,xx01) UT: the whole record of the subject as JSON."""
PADDING_ELEMENT = 0x02
"""(0099,xx02) OB: zeros that bring the pixel value to a page boundary."""

_PIXEL_ELEMENTS = {
    "PixelData": (0x0010, b"OW"),
    "FloatPixelData": (0x0008, b"OF"),
    "DoubleFloatPixelData": (0x0009, b"OD"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was written, and where its voxels lie."""

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    series_uid: str
    frame_of_reference: str = ""
    transfer_syntax_uid: str = "1.2.840.10008.1.2.1"
    pixel_offset: int
    """First byte of the voxels in the file, a multiple of 4096."""
    pixel_length: int
    """Bytes of voxels, without the pad byte."""
    sha256_of_pixels: str
    """Of those bytes."""
    dtype: str
    """numpy type of the voxels in the file: ``<i2``, ``<u2``, ``|u1``, ``<f4``, ``<f8``."""
    frames: int
    """In the k order in which they were given."""
    pixel_keyword: str = "PixelData"
    """``FloatPixelData`` or ``DoubleFloatPixelData`` for a parametric map."""
    padded: bool = False
    """True where an odd number of bytes was followed by the pad byte that DICOM demands. The file is right and
    `pixel_offset` is too; a reader of a detached header that counts from the end of the file (pynrrd, ``byte
    skip: -1``) would be one byte off, so store such a volume as a plain NRRD beside."""
    notes: tuple[str, ...] = ()
    """What had to be left out or changed, in words."""


def write_object(path: Path, ds: Dataset) -> None:
    """Write an object without streamed pixels, under its final name only when it is complete.

    Raises
    ------
    Invalid
        A value breaks its representation.
    """
    require_valid(ds)
    partial = path.with_name(path.name + ".part")
    partial.write_bytes(encode(ds, str(ds.SOPClassUID), str(ds.SOPInstanceUID)))
    partial.replace(path)


def write_streamed(
    path: Path,
    ds: Dataset,
    slabs: Iterable[NDArray[Any]],
    *,
    dtype: np.dtype[Any],
    frame_shape: tuple[int, ...],
    frames: int,
    pixel_keyword: str = "PixelData",
    notes: tuple[str, ...] = (),
) -> Written:
    """Write a multi-frame object whose pixels come as a stream of slabs.

    Parameters
    ----------
    ds
        The whole header, without pixels, with the private block of `subject.apply_subject`.
    slabs
        Arrays of shape ``(n, *frame_shape)`` in k order.
    dtype
        How the values are stored; little-endian whatever it says.
    frame_shape
        ``(j, i)`` or ``(j, i, c)``.

    Raises
    ------
    Invalid
        The slabs are not of that shape or number, or a header value is not valid.
    Unsupported
        More than 4 GiB of pixels.
    """
    stored = np.dtype(dtype).newbyteorder("<")
    length = frames * int(np.prod(frame_shape)) * stored.itemsize
    if length > LARGEST_PIXEL_BYTES:
        raise Unsupported(
            "a volume of more than 4 GiB does not fit one native DICOM file", hint="store it as NRRD, or crop it"
        )
    require_valid(ds)
    header = aligned_header(ds, pixel_keyword, length)
    partial = path.with_name(path.name + ".part")
    digest = hashlib.sha256()
    try:
        with partial.open("wb") as stream:
            stream.write(header)
            for chunk in _chunks(slabs, stored, frame_shape, frames):
                stream.write(chunk)
                digest.update(chunk)
            stream.write(b"\0" * (length % 2))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    place = (len(header), length, digest.hexdigest())
    return _written(path, ds, place, stored, frames, pixel_keyword, notes)


def _written(
    path: Path,
    ds: Dataset,
    place: tuple[int, int, str],
    stored: np.dtype[Any],
    frames: int,
    pixel_keyword: str,
    notes: tuple[str, ...],
) -> Written:
    offset, length, digest = place
    return Written(
        path=path,
        sop_class_uid=str(ds.SOPClassUID),
        sop_instance_uid=str(ds.SOPInstanceUID),
        series_uid=str(ds.SeriesInstanceUID),
        frame_of_reference=str(ds.get("FrameOfReferenceUID", "")),
        pixel_offset=offset,
        pixel_length=length,
        sha256_of_pixels=digest,
        dtype=stored.str,
        frames=frames,
        pixel_keyword=pixel_keyword,
        padded=bool(length % 2),
        notes=notes,
    )


def aligned_header(ds: Dataset, pixel_keyword: str, length: int) -> bytes:
    """Encode everything up to the pixel value, lengthened to a multiple of `PAGE_BYTES` by the private padding."""
    element, vr = _PIXEL_ELEMENTS[pixel_keyword]
    if pixel_keyword == "PixelData" and ds.BitsAllocated == 8:
        vr = b"OB"
    block = ds.private_block(PRIVATE_GROUP, PRIVATE_CREATOR, create=True)
    block.add_new(PADDING_ELEMENT, "OB", b"")
    head_bytes = struct.calcsize("<HH2sHI")
    uids = str(ds.SOPClassUID), str(ds.SOPInstanceUID)
    missing = -(len(encode(ds, *uids)) + head_bytes) % PAGE_BYTES
    block[PADDING_ELEMENT].value = bytes(missing)
    encoded = encode(ds, *uids) + struct.pack("<HH2sHI", 0x7FE0, element, vr, 0, length + length % 2)
    if len(encoded) % PAGE_BYTES:
        raise Invalid("the header could not be aligned")
    return encoded


def encode(ds: Dataset, sop_class_uid: str, sop_instance_uid: str) -> bytes:
    """Encode as a Part 10 file in Explicit VR Little Endian, with our file meta information."""
    from pydicom import dcmwrite
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class_uid
    meta.MediaStorageSOPInstanceUID = sop_instance_uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    ds.file_meta = meta
    buffer = BytesIO()
    dcmwrite(buffer, ds, enforce_file_format=True)
    return buffer.getvalue()


def _chunks(
    slabs: Iterable[NDArray[Any]], stored: np.dtype[Any], frame_shape: tuple[int, ...], frames: int
) -> Iterator[memoryview]:
    """Yield the bytes of the slabs in pieces of bounded size; check shape and number."""
    count = 0
    step = max(1, STREAM_BYTES // max(1, int(np.prod(frame_shape)) * stored.itemsize))
    for slab in slabs:
        if slab.shape[1:] != frame_shape:
            raise Invalid(f"a slab has frames of {slab.shape[1:]}, not {frame_shape}")
        count += len(slab)
        if count > frames:
            break
        for start in range(0, len(slab), step):
            yield np.ascontiguousarray(slab[start : start + step], dtype=stored).data.cast("B")
            release(slab)
    if count != frames:
        raise Invalid(f"the slabs do not add up to {frames} frames")
