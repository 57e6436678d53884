"""DICOM as a format: recognition by content, the promises of the port, on files of every kind."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from tests.dicom.sources import slice_dataset, write
from vasculum.formats.base import AssemblingFormat, Format, Head, VoxelFormat
from vasculum.formats.dicom import FORMATS
from vasculum.formats.registry import recognise
from vasculum.testing.format_suite import check_damage, check_port, check_recognition, check_sample, check_voxels

DICOM = FORMATS[0]

SAMPLES = (
    "dicom-ct/Slicer/CTHeadAxialDicom/CTHead1.dcm",
    "dicom-syntax/pydicom/image_dfl.dcm",
    "dicom-syntax/pydicom/ExplVR_BigEnd.dcm",
    "dicom-syntax/pydicom-data/JPEG-LL.dcm",
    "dicom-enhanced/dicom2nifti/philips_enhanced/fmri/001/IM-0001-9600-0001.dcm",
    "dicom-enhanced/dcm_qa_canon_61/enh/4000.dcm.gz",
    "dicom-seg-sr/dcmqi/segmentations/partial_overlaps.dcm",
    "dicom-seg-sr/pydicom/test-SR.dcm",
    "dicom-rt/pydicom/rtdose.dcm",
    "dicom-rt/pydicom/rtstruct.dcm",
    "dicom-us/pydicom/examples_ybr_color.dcm",
    "dicom-dicomdir/pydicom/DICOMDIR",
)


def test_satisfies_the_ports() -> None:
    check_port(DICOM)
    check_recognition(DICOM)
    assert isinstance(DICOM, Format)
    assert isinstance(DICOM, VoxelFormat)
    assert isinstance(DICOM, AssemblingFormat)


@pytest.mark.parametrize("name", SAMPLES)
def test_samples(shared_data: Path, tmp_path: Path, name: str) -> None:
    path = shared_data / name
    check_sample(DICOM, path)
    check_voxels(DICOM, path)
    if path.stat().st_size < 100_000:
        check_damage(DICOM, path, tmp_path)


def test_every_dicom_file_is_recognised(shared_data: Path) -> None:
    """All but the one that begins with a space; and no file of another kind."""
    others = {".txt", ".nrrd", ".json", ".jpg", ".png", ".md"}
    for path in (p for p in shared_data.glob("dicom-*/**/*") if p.is_file()):
        expected = path.suffix not in others and path.name != "no_meta.dcm"
        assert (recognise(path).name == "dicom") == expected, path.name


def test_nothing_else_is_taken_for_dicom(shared_data: Path) -> None:
    for folder in ("nrrd", "nifti", "mha", "mesh", "markups", "scenes", "tables-metadata", "seg-nrrd"):
        for path in (p for p in (shared_data / folder).rglob("*") if p.is_file()):
            with path.open("rb") as stream:
                assert not DICOM.recognises(Head(path, path.stat().st_size, stream.read(16384))), path.name


def test_a_gzip_of_dicom(tmp_path: Path) -> None:
    pixels = np.arange(24, dtype="<i2").reshape(4, 6)
    plain = write(slice_dataset(1, pixels, RescaleIntercept=-5), tmp_path / "a.dcm")
    packed = tmp_path / "a.dcm.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    with packed.open("rb") as stream:
        assert DICOM.recognises(Head(packed, packed.stat().st_size, stream.read()))
    described = DICOM.describe(packed)
    assert described.geometry == DICOM.describe(plain).geometry
    np.testing.assert_array_equal(DICOM.read_voxels(described, lambda _: packed)[0], pixels - 5)


@pytest.mark.parametrize("name", ["ä b&;%.dcm", "日本.IMA", "no suffix", "x\udce9.dcm"])
def test_any_file_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    try:
        path.touch()
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system does not hold such names")
    write(slice_dataset(1, np.zeros((4, 6), "<i2")), tmp_path / "plain.dcm").replace(path)
    described = DICOM.describe(path)
    (series,) = DICOM.assemble({name: described})
    assert series.parts[0].name == name
    assert DICOM.read_voxels(series, lambda part: tmp_path / part).shape == (1, 4, 6)
