"""Small DICOM files and series that the tests of DICOM reading share: made here, nothing of a person in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from vasculum.dicom.read import describe_file
from vasculum.dicom.series import assemble_series
from vasculum.errors import Unreadable, Unsupported
from vasculum.model.description import Description

PLAIN_CHARACTERISTICS = {"PatientID": "R2L1", "PatientName": "", "Modality": "CT", "SeriesDescription": "Skull"}


def slice_dataset(number: int, pixels: np.ndarray[Any, Any], **elements: Any) -> Dataset:
    """One CT slice of a series; `elements` are set last."""
    ds = Dataset()
    ds.preamble = bytes(128)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = CTImageStorage
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = f"2.25.7.{number}"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = "2.25.1", "2.25.2", "2.25.3"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.InstanceNumber = number
    for keyword, value in PLAIN_CHARACTERISTICS.items():
        setattr(ds, keyword, value)
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.ImagePositionPatient = [0, 0, float(number)]
    ds.PixelSpacing = [0.5, 0.25]
    ds.SliceThickness = 1
    ds.Rows, ds.Columns = pixels.shape[:2]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 8 * pixels.dtype.itemsize
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    ds.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    ds["PixelData"].VR = "OW"
    for keyword, value in elements.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    ds.file_meta.MediaStorageSOPInstanceUID = ds.get("SOPInstanceUID", "2.25.9")
    return ds


def write(ds: Dataset, path: Path) -> Path:
    """Write a data set as it is."""
    ds.save_as(path, enforce_file_format=False, little_endian=True, implicit_vr=False)
    return path


def series_folder(folder: Path, slices: Sequence[Mapping[str, Any]], dtype: str = "<i2") -> dict[str, Description]:
    """Write slices that differ in the given elements; describe them by their names."""
    rng = np.random.default_rng(1)
    found = {}
    for n, elements in enumerate(slices, 1):
        pixels = elements.get("pixels", rng.integers(-1000, 1000, (4, 6)).astype(dtype))
        given = {k: v for k, v in elements.items() if k != "pixels"}
        path = write(slice_dataset(n, pixels, **given), folder / f"{n:03}.dcm")
        found[path.name] = describe_file(path)
    return found


def codes(description: Description) -> list[str]:
    """The codes of its findings, without the notes on single slices."""
    return [f.code for f in description.findings if f.code != "single-slice"]


def dicom_files(folder: Path) -> list[Path]:
    """Every file below that our walk takes for DICOM."""
    from vasculum.dicom.walk import looks_like_dicom

    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        with path.open("rb") as stream:
            start = stream.read(1024)
        if looks_like_dicom(start):
            found.append(path)
    return found


def assembled(folder: Path) -> list[Description]:
    """The series in a folder (not below it), by file name."""
    items = {}
    for path in dicom_files(folder):
        if path.parent == folder:
            try:
                items[path.name] = describe_file(path)
            except (Unreadable, Unsupported):
                continue
    return assemble_series(items)
