"""Write a DICOMDIR over files where they lie (PS3.10 section 8, PS3.3 annex F), reading headers only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vasculum.errors import Invalid

from .elements import fit_text
from .uids import uid_from
from .write import encode

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"

_FILE_ID = re.compile(r"[A-Z0-9_]{1,8}(/[A-Z0-9_]{1,8}){0,7}")

_RECORD_TYPES = {
    "1.2.840.10008.5.1.4.1.1.66": "RAW DATA",
    "1.2.840.10008.5.1.4.1.1.66.1": "REGISTRATION",
    "1.2.840.10008.5.1.4.1.1.66.2": "FIDUCIAL",
    "1.2.840.10008.5.1.4.1.1.66.3": "REGISTRATION",
    "1.2.840.10008.5.1.4.1.1.66.5": "SURFACE",
    "1.2.840.10008.5.1.4.1.1.67": "VALUE MAP",
    "1.2.840.10008.5.1.4.1.1.88.59": "KEY OBJECT DOC",
    "1.2.840.10008.5.1.4.1.1.481.2": "RT DOSE",
    "1.2.840.10008.5.1.4.1.1.481.3": "RT STRUCTURE SET",
    "1.2.840.10008.5.1.4.1.1.481.5": "RT PLAN",
}
_RECORD_TYPES_OF_FAMILIES = {
    "1.2.840.10008.5.1.4.1.1.88.": "SR DOCUMENT",
    "1.2.840.10008.5.1.4.1.1.104.": "ENCAP DOC",
    "1.2.840.10008.5.1.4.1.1.11.": "PRESENTATION",
}
_LEVEL_KEYS = {
    "PATIENT": ("PatientID", "PatientName"),
    "STUDY": ("StudyDate", "StudyTime", "StudyDescription", "StudyInstanceUID", "StudyID", "AccessionNumber"),
    "SERIES": ("Modality", "SeriesInstanceUID", "SeriesNumber"),
}
_INSTANCE_KEYS = {
    "IMAGE": ("InstanceNumber",),
    "SR DOCUMENT": (
        "InstanceNumber", "CompletionFlag", "VerificationFlag", "ContentDate", "ContentTime",
        "ConceptNameCodeSequence",
    ),
    "ENCAP DOC": (
        "ContentDate", "ContentTime", "InstanceNumber", "DocumentTitle", "ConceptNameCodeSequence",
        "MIMETypeOfEncapsulatedDocument",
    ),
    "RAW DATA": ("ContentDate", "ContentTime", "InstanceNumber"),
    "SURFACE": (
        "InstanceNumber", "ContentLabel", "ContentDescription", "ContentDate", "ContentTime", "ContentCreatorName",
    ),
}  # fmt: skip
_OPTIONAL = ("DocumentTitle",)


@dataclass(slots=True)
class _Record:
    """A directory record and those below it."""

    dataset: Dataset
    below: dict[str, _Record] = field(default_factory=dict)


def record_type(sop_class_uid: str) -> str:
    """Give the Directory Record Type of an object (PS3.3 table F.4-1); images and segmentations are IMAGE."""
    for family, kind in _RECORD_TYPES_OF_FAMILIES.items():
        if sop_class_uid.startswith(family):
            return _RECORD_TYPES.get(sop_class_uid, kind)
    return _RECORD_TYPES.get(sop_class_uid, "IMAGE")


def write_dicomdir(root: Path, files: Sequence[str], *, file_set_id: str = "") -> None:
    """Write ``DICOMDIR`` into a folder.

    Parameters
    ----------
    root
        Folder of the file-set.
    files
        Paths in it, such as ``DICOM/IM000001``: at most eight components of at most eight characters A-Z, 0-9, _
        (PS3.10 section 8.2).
    file_set_id
        At most 16 characters.

    Raises
    ------
    Invalid
        A file name that cannot be a File ID, or no file at all.
    """
    bad = [name for name in files if not _FILE_ID.fullmatch(name)]
    if bad or not files:
        raise Invalid("a file-set takes names of capital letters, digits and _, eight at most per folder")
    uid = uid_from("file-set", file_set_id, *files)
    tree = _Record(_root_dataset(file_set_id))
    for name in files:
        _add(tree, root / name, name)
    records = list(_walk(tree))
    tree.dataset.DirectoryRecordSequence = [r.dataset for r in records]
    _link(tree, records, _offsets(tree.dataset, uid))
    partial = root / "DICOMDIR.part"
    partial.write_bytes(encode(tree.dataset, MEDIA_STORAGE_DIRECTORY, uid))
    partial.replace(root / "DICOMDIR")


def _root_dataset(file_set_id: str) -> Dataset:
    from pydicom.dataset import Dataset

    ds = Dataset()
    ds.FileSetID = re.sub(r"[^A-Z0-9_ ]", "_", file_set_id.upper())[:16]
    ds.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = 0
    ds.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity = 0
    ds.FileSetConsistencyFlag = 0
    return ds


def _add(tree: _Record, path: Path, name: str) -> None:
    from pydicom import dcmread

    ds = dcmread(path, stop_before_pixels=True)
    place = tree
    keys = (str(ds.PatientID), str(ds.StudyInstanceUID), str(ds.SeriesInstanceUID))
    for (level, keywords), key in zip(_LEVEL_KEYS.items(), keys, strict=True):
        if key not in place.below:
            place.below[key] = _Record(_record(level, ds, keywords))
        place = place.below[key]
    kind = record_type(str(ds.SOPClassUID))
    record = _record(kind, ds, _INSTANCE_KEYS.get(kind, ("InstanceNumber",)))
    record.ReferencedFileID = name.split("/")
    record.ReferencedSOPClassUIDInFile = ds.SOPClassUID
    record.ReferencedSOPInstanceUIDInFile = ds.SOPInstanceUID
    record.ReferencedTransferSyntaxUIDInFile = ds.file_meta.TransferSyntaxUID
    place.below[name] = _Record(record)


def _record(kind: str, source: Dataset, keywords: Sequence[str]) -> Dataset:
    from pydicom.dataset import Dataset

    record = Dataset()
    record.OffsetOfTheNextDirectoryRecord = 0
    record.RecordInUseFlag = 0xFFFF
    record.OffsetOfReferencedLowerLevelDirectoryEntity = 0
    record.DirectoryRecordType = kind
    if "SpecificCharacterSet" in source:
        record.SpecificCharacterSet = source.SpecificCharacterSet
    for keyword in keywords:
        value = source.get(keyword)
        if value is not None or keyword not in _OPTIONAL:
            setattr(record, keyword, _default(keyword, source) if value in (None, "") else value)
    return record


def _default(keyword: str, source: Dataset) -> Any:
    """Study Date, Time and ID are of type 1 in the directory though they may be empty in the object."""
    if keyword == "StudyID":
        return "1"
    if keyword == "StudyDate":
        return source.get("SeriesDate") or source.get("ContentDate") or ""
    if keyword == "StudyTime":
        return source.get("SeriesTime") or source.get("ContentTime") or ""
    if keyword in ("InstanceNumber", "SeriesNumber"):
        return 1
    if keyword.endswith("Sequence"):
        return []
    return fit_text("LO", "")


def _walk(place: _Record) -> Iterator[_Record]:
    for below in place.below.values():
        yield below
        yield from _walk(below)


def _offsets(ds: Dataset, uid: str) -> list[int]:
    """Find where each directory record begins, by writing the directory once (offsets have a fixed width)."""
    from io import BytesIO

    from pydicom import dcmread

    return [
        int(entry.seq_item_tell)
        for entry in dcmread(BytesIO(encode(ds, MEDIA_STORAGE_DIRECTORY, uid))).DirectoryRecordSequence
    ]


def _link(tree: _Record, records: Sequence[_Record], offsets: Sequence[int]) -> None:
    position = {id(record): offset for record, offset in zip(records, offsets, strict=True)}
    for place in (tree, *records):
        below = list(place.below.values())
        for one, following in pairwise(below):
            one.dataset.OffsetOfTheNextDirectoryRecord = position[id(following)]
        if below and place is not tree:
            place.dataset.OffsetOfReferencedLowerLevelDirectoryEntity = position[id(below[0])]
    top = list(tree.below.values())
    tree.dataset.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = position[id(top[0])]
    tree.dataset.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity = position[id(top[-1])]
