"""Carry what has no image form inside DICOM: meshes as Encapsulated STL, any other file as Raw Data."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from vasculum.errors import Unsupported
from vasculum.model.codes import Code
from vasculum.model.geometry import Vector

from .color import cielab
from .elements import code_item, fit_text, item
from .groups import equipment, frame_of_reference, general_modules
from .seg import SourceImage
from .subject import Context, apply_subject
from .uids import uid_from
from .write import PRIVATE_CREATOR, PRIVATE_GROUP, write_object

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

ENCAPSULATED_STL = "1.2.840.10008.5.1.4.1.1.104.3"
RAW_DATA = "1.2.840.10008.5.1.4.1.1.66"

PAYLOAD_ELEMENT = 0x10
"""(0099,xx10) OB: the bytes of the file, padded to an even number."""
PAYLOAD_LENGTH_ELEMENT = 0x11
"""(0099,xx11) DS: how many of them are the file's."""
PAYLOAD_NAME_ELEMENT = 0x12
"""(0099,xx12) UT: the name of the file."""
PAYLOAD_TYPE_ELEMENT = 0x13
"""(0099,xx13) LO: its media type."""
PAYLOAD_SHA256_ELEMENT = 0x14
"""(0099,xx14) LO: SHA-256 of the file, in hexadecimal."""

LARGEST_PAYLOAD = 512 * 2**20
"""Larger files are not encapsulated: an object is held in memory while it is written."""

_MANUFACTURING_MODEL = Code("85040-4", "LN", "Patient-specific 3D model")
_MILLIMETRE = Code("mm", "UCUM", "mm")


def write_encapsulated_stl(
    path: Path,
    payload: bytes,
    *,
    context: Context,
    series_uid: str,
    series_number: int,
    label: str,
    sop_instance_uid: str,
    source: SourceImage | None,
    when: datetime,
    color: Vector | None = None,
) -> None:
    """Write a binary STL (LPS millimetres) as Encapsulated STL (PS3.3 A.85.1); the bytes come back exactly.

    Raises
    ------
    Unsupported
        More than `LARGEST_PAYLOAD` bytes.
    """
    ds = _object(ENCAPSULATED_STL, "M3D", payload, series_uid, series_number, label, sop_instance_uid, when)
    given = source.frame_of_reference if source else ""
    frame_of_reference(ds, given or uid_from("frame-of-reference", series_uid))
    ds.BurnedInAnnotation = "NO"
    ds.RecognizableVisualFeatures = "YES"  # nobody looked: a face can be recognised from its surface
    ds.AcquisitionDateTime = ""
    ds.DocumentTitle = fit_text("ST", label)
    ds.ConceptNameCodeSequence = [code_item(_MANUFACTURING_MODEL)]
    ds.MIMETypeOfEncapsulatedDocument = "model/stl"
    ds.EncapsulatedDocument = payload + b"\0" * (len(payload) % 2)
    ds.EncapsulatedDocumentLength = len(payload)
    ds.MeasurementUnitsCodeSequence = [code_item(_MILLIMETRE)]
    ds.ModelModification = "NO"
    ds.ModelMirroring = "NO"
    if color:
        ds.RecommendedDisplayCIELabValue = list(cielab(color))
    if source:
        reference = item(ReferencedSOPClassUID=source.sop_class_uid, ReferencedSOPInstanceUID=source.sop_instance_uid)
        ds.SourceInstanceSequence = [reference]
        series = item(SeriesInstanceUID=source.series_uid, ReferencedInstanceSequence=[reference])
        ds.ReferencedSeriesSequence = [series]
    apply_subject(ds, context, {"label": label, "uid": series_uid})
    write_object(path, ds)


def write_raw_data(
    path: Path,
    payload: bytes,
    *,
    name: str,
    media_type: str,
    context: Context,
    series_uid: str,
    series_number: int,
    label: str,
    sop_instance_uid: str,
    when: datetime,
) -> None:
    """Write any file as Raw Data (PS3.3 A.37.1) with its bytes in our private block; they come back exactly.

    Raises
    ------
    Unsupported
        More than `LARGEST_PAYLOAD` bytes.
    """
    ds = _object(RAW_DATA, "OT", payload, series_uid, series_number, label, sop_instance_uid, when)
    frame_of_reference(ds, uid_from("frame-of-reference", series_uid))
    ds.ContentQualification = "RESEARCH"
    ds.AcquisitionContextSequence = []
    ds.CreatorVersionUID = uid_from("raw-data", "1")
    apply_subject(ds, context, {"label": label, "uid": series_uid})
    block = ds.private_block(PRIVATE_GROUP, PRIVATE_CREATOR)
    block.add_new(PAYLOAD_ELEMENT, "OB", payload + b"\0" * (len(payload) % 2))
    block.add_new(PAYLOAD_LENGTH_ELEMENT, "DS", str(len(payload)))
    block.add_new(PAYLOAD_NAME_ELEMENT, "UT", fit_text("UT", name))
    block.add_new(PAYLOAD_TYPE_ELEMENT, "LO", fit_text("LO", media_type))
    block.add_new(PAYLOAD_SHA256_ELEMENT, "LO", hashlib.sha256(payload).hexdigest())
    write_object(path, ds)


def read_payload(ds: Dataset) -> bytes:
    """Give the bytes of a file that `write_raw_data` or `write_encapsulated_stl` wrote."""
    if "EncapsulatedDocument" in ds:
        length = int(ds.get("EncapsulatedDocumentLength", len(ds.EncapsulatedDocument)))
        return bytes(ds.EncapsulatedDocument[:length])
    block = ds.private_block(PRIVATE_GROUP, PRIVATE_CREATOR)
    return bytes(block[PAYLOAD_ELEMENT].value[: int(block[PAYLOAD_LENGTH_ELEMENT].value)])


def _object(
    sop_class_uid: str,
    modality: str,
    payload: bytes,
    series_uid: str,
    series_number: int,
    label: str,
    sop_instance_uid: str,
    when: datetime,
) -> Dataset:
    from pydicom.dataset import Dataset

    if len(payload) > LARGEST_PAYLOAD:
        raise Unsupported(
            "a file of more than 512 MiB is not encapsulated", hint="keep it as it is, beside the DICOM"
        )
    ds = Dataset()
    general_modules(
        ds,
        sop_class_uid=sop_class_uid,
        sop_instance_uid=sop_instance_uid,
        series_uid=series_uid,
        series_number=series_number,
        label=label,
        modality=modality,
        when=when,
    )
    equipment(ds, {})
    return ds
