"""Voxels and affines against SimpleITK and pydicom, on every readable volume of the shared data."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from tests.interop import require
from vasculum.dicom.read import describe_file
from vasculum.dicom.segments import read_labels
from vasculum.dicom.series import assemble_series
from vasculum.dicom.voxels import SCRATCH_BYTES, allocate, read_values
from vasculum.errors import Unreadable
from vasculum.model.description import Description
from vasculum.model.kinds import Kind

from .sources import assembled, dicom_files, series_folder, slice_dataset, write

FOLDERS = ("dicom-ct", "dicom-mr", "dicom-enhanced", "dicom-dicomdir", "dicom-rt", "dicom-seg-sr", "dicom-pet")

EXCEPTIONS: dict[str, str] = {
    # file: why SimpleITK differs
    "dcm_qa_ct/GE/01.dcm": "affine: tilted by 18.5°; ITK drops the shear",
    "dcm_qa_ct/GE/15.dcm": "affine: tilted by 18.5°; ITK drops the shear",
    "gantrytilting/001/IM-0001-0001.dcm": "affine: tilted by 14°; ITK drops the shear",
    "volume/brain_001.dcm": "affine: steps of 6.96 to 7.07 mm; ITK takes a mean of its own",
    "fmri/001/IM-0001-9600-0001.dcm": "voxels: 4-D in one object; ITK stacks all frames",
    "pydicom/rtdose.dcm": "voxels: ITK does not apply Dose Grid Scaling",
    "pydicom/rtdose_expb.dcm": "voxels: ITK does not apply Dose Grid Scaling",
    "pydicom/rtdose_rle.dcm": "voxels: ITK does not apply Dose Grid Scaling",
    "segmentations/partial_overlaps.dcm": "all: ITK stacks the frames of overlapping segments",
    "highdicom/seg_image_ct_binary_overlap.dcm": "all: ITK stacks the frames of overlapping segments",
}

NOT_FOR_ITK = (
    "4000.dcm.gz",
    "sparse-labelmap-ppv5.dcm",
    "parametric_map",
    "_deflate.dcm",
    "_j2k.dcm",
    "aligned_rle.dcm",
    "liver_rle.dcm",
)
"""SimpleITK has no reader for the SOP class (LABELMAP, Parametric Map) or for 1-bit frames in that syntax."""


def series_of(shared_data: Path) -> list[tuple[Path, Description]]:
    folders = sorted({p.parent for name in FOLDERS for p in dicom_files(shared_data / name)})
    return [
        (folder, d)
        for folder in folders
        for d in assembled(folder)
        if d.geometry is not None and d.voxels is not None and d.kind in (Kind.VOLUME, Kind.SEGMENTATION)
    ]


def by_itk(folder: Path, files: list[str]) -> tuple[NDArray[np.float64], NDArray[Any]]:
    sitk = require("SimpleITK")
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    if len(files) == 1:
        image = sitk.ReadImage(str(folder / files[0]))
    else:
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames([str(folder / f) for f in files])
        image = reader.Execute()
    affine, dimension = np.eye(4), image.GetDimension()
    direction = np.array(image.GetDirection()).reshape(dimension, dimension)[:3, :3]
    affine[:3, :3] = direction * np.array(image.GetSpacing()[:3])
    affine[:3, 3] = image.GetOrigin()[:3]
    return affine, sitk.GetArrayFromImage(image)


def first_volume(folder: Path, d: Description) -> tuple[list[str], NDArray[Any]]:
    assert d.voxels is not None
    read = read_labels if d.kind == Kind.SEGMENTATION else read_values
    array = read(d, lambda name: folder / name)
    if d.voxels.axes[0] != "t":
        return list(dict.fromkeys(b.part for b in d.voxels.blocks)), array
    return list(dict.fromkeys(b.part for b in d.voxels.blocks[: d.voxels.sizes[1]])), array[0]


def test_affines_and_voxels_equal_those_of_simpleitk(shared_data: Path) -> None:
    wrong: dict[str, str] = {}
    met: set[str] = set()
    compared = 0
    for folder, d in series_of(shared_data):
        name = (folder / d.parts[0].name).relative_to(shared_data).as_posix()
        if name.endswith(NOT_FOR_ITK) or any(n in name for n in NOT_FOR_ITK):
            continue
        reason = next((why for key, why in EXCEPTIONS.items() if name.endswith(key)), "")
        met.update(key for key in EXCEPTIONS if name.endswith(key))
        if reason.startswith("all"):
            continue
        files, ours = first_volume(folder, d)
        affine, theirs = by_itk(folder, files)
        assert d.geometry is not None
        compared += 1
        mine, theirs = aligned(d.geometry.affine, affine, ours, theirs)
        if len(ours) == 1:  # one slice has no third axis; ITK makes it 1 mm, or the slice thickness
            affine, mine = np.delete(affine, 2, 1), np.delete(mine, 2, 1)
        if not reason.startswith("affine") and np.abs(mine - affine).max() > 1e-3:
            wrong[name] = "affine"
        if d.kind == Kind.SEGMENTATION:
            theirs = theirs // 255  # ITK gives 255 for 1
        if not reason.startswith("voxels") and np.abs(ours.astype(float) - theirs.astype(float)).max() > 1e-3:
            wrong[name] = "voxels"
    assert wrong == {}
    assert compared > 50
    assert met == set(EXCEPTIONS), "an exception is no longer needed"


def aligned(
    mine: NDArray[np.float64], affine: NDArray[np.float64], ours: NDArray[Any], theirs: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Our slices always ascend along row × column; ITK keeps the order of the frames in a file."""
    if ours.shape == theirs.shape and len(ours) > 1 and mine[:3, 2] @ affine[:3, 2] < 0:
        flipped = mine.copy()
        flipped[:3, 3] += (len(ours) - 1) * mine[:3, 2]
        flipped[:3, 2] *= -1
        return flipped, theirs[::-1]
    return mine, theirs


UNREADABLE_BY_PYDICOM = ("Unable to decode", "Unable to decompress", "less than expected", "has no")


def test_samples_equal_those_of_pydicom(shared_data: Path) -> None:
    """Every transfer syntax, photometric interpretation and width there is, frame by frame, before rescale."""
    from pydicom.pixels import apply_color_lut, pixel_array

    different, compared = [], 0
    for path in dicom_files(shared_data / "dicom-syntax") + dicom_files(shared_data / "dicom-us"):
        d = describe_file(path)
        if d.voxels is None:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            logging.disable(logging.CRITICAL)
            try:
                ds = pydicom.dcmread(path, force=True)
                theirs = pixel_array(ds)
                if ds.PhotometricInterpretation == "PALETTE COLOR":
                    theirs = apply_color_lut(theirs, ds)
            except (RuntimeError, ValueError, AttributeError, NotImplementedError) as error:
                assert any(words in str(error) for words in UNREADABLE_BY_PYDICOM)
                continue
            finally:
                logging.disable(logging.NOTSET)
        plain = read_values(without_rescale(d), lambda _, path=path: path)
        compared += 1
        if not np.array_equal(plain.reshape(theirs.shape), theirs):
            different.append(path.name)
    assert different == []
    assert compared > 45


def without_rescale(d: Description) -> Description:
    from dataclasses import replace

    assert d.voxels is not None
    blocks = tuple(replace(b, slope=None, intercept=None) for b in d.voxels.blocks)
    return replace(d, voxels=replace(d.voxels, slope=1.0, intercept=0.0, blocks=blocks))


@pytest.mark.parametrize(
    ("name", "kind", "low", "high"),
    [
        ("dicom-pet/fo-dicom/GH184.dcm", "float32", 0, 7685.238),  # JPEG lossless, slope of the slice
        ("dicom-mr/dcm_qa_12bit/12bitSigned_0x0F0F.dcm", "int16", -2048, 2047),  # sign extended from 12 bits
        ("dicom-mr/dcm_qa_12bit/12bitUnsigned_0x0F0F.dcm", "uint16", 0, 4095),
        ("dicom-syntax/pydicom/CT_small.dcm", "int16", -896, 1167),
        ("dicom-rt/pydicom/rtdose.dcm", "float64", 0.795, 1.254),
    ],
)
def test_values_and_types(shared_data: Path, name: str, kind: str, low: float, high: float) -> None:
    path = shared_data / name
    array = read_values(describe_file(path), lambda _: path)
    assert array.dtype == kind
    assert array.min() == pytest.approx(low, abs=1e-3)
    assert array.max() == pytest.approx(high, abs=1e-3)


PIXELS = np.arange(24, dtype="<i2").reshape(4, 6) * 100


@pytest.mark.parametrize(
    ("rescale", "stored", "kind"),
    [
        ((1, -1024), "<i2", "int16"),
        ((1, -1024), "<u2", "int16"),
        ((1, 40000), "<i2", "uint16"),
        ((2, -5), "<i2", "int16"),
        ((100, 0), "<i2", "int32"),
        ((0.5, 0), "<i2", "float32"),
        ((1, -32768.5), "<i2", "float32"),
    ],
)
def test_rescale_keeps_whole_numbers(tmp_path: Path, rescale: tuple[float, float], stored: str, kind: str) -> None:
    pixels = PIXELS.astype(stored)
    path = write(slice_dataset(1, pixels, RescaleSlope=rescale[0], RescaleIntercept=rescale[1]), tmp_path / "a.dcm")
    array = read_values(describe_file(path), lambda _: path)
    assert array.dtype == kind
    np.testing.assert_array_equal(array[0], pixels.astype(float) * rescale[0] + rescale[1])


def test_slope_of_each_slice(tmp_path: Path) -> None:
    slopes = [1.5, 2.5, 0.1]
    items = series_folder(tmp_path, [{"RescaleSlope": s, "RescaleIntercept": 0, "pixels": PIXELS} for s in slopes])
    (series,) = assemble_series(items)
    array = read_values(series, lambda name: tmp_path / name)
    for plane, slope in zip(array, slopes, strict=True):
        np.testing.assert_allclose(plane, PIXELS * slope, rtol=1e-6)


def test_overlay_bits_are_removed(tmp_path: Path) -> None:
    pixels = (PIXELS & 0x0FFF).astype("<u2") | 0xF000
    path = write(slice_dataset(1, pixels, BitsStored=12, HighBit=11), tmp_path / "a.dcm")
    np.testing.assert_array_equal(read_values(describe_file(path), lambda _: path)[0], PIXELS & 0x0FFF)


def test_contiguous_native_pixels_are_mapped(tmp_path: Path) -> None:
    path = write(slice_dataset(1, PIXELS), tmp_path / "a.dcm")
    array = read_values(describe_file(path), lambda _: path)
    assert isinstance(array, np.memmap)
    assert not array.flags.writeable


def test_blocks_of_native_frames_are_one_read_each(tmp_path: Path) -> None:
    items = series_folder(tmp_path, [{"pixels": PIXELS + n} for n in range(3)])
    (series,) = assemble_series(items)
    assert series.voxels is not None
    for n, block in enumerate(series.voxels.blocks):
        raw = (tmp_path / block.part).read_bytes()[block.offset : block.offset + (block.length or 0)]
        np.testing.assert_array_equal(np.frombuffer(raw, series.voxels.dtype).reshape(4, 6), PIXELS + n)


def test_the_stored_file_may_be_called_otherwise(tmp_path: Path) -> None:
    items = series_folder(tmp_path, [{"pixels": PIXELS + n} for n in range(3)])
    (series,) = assemble_series(items)
    for name in items:
        (tmp_path / name).rename(tmp_path / f"object of {name}")
    array = read_values(series, lambda name: tmp_path / f"object of {name}")
    np.testing.assert_array_equal(array, np.stack([PIXELS + n for n in range(3)]))


def test_a_file_that_was_cut_after_it_was_described(tmp_path: Path) -> None:
    path = write(slice_dataset(1, PIXELS, RescaleIntercept=-1), tmp_path / "a.dcm")
    described = describe_file(path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(Unreadable):
        read_values(described, lambda _: path)


def test_large_arrays_lie_in_a_file() -> None:
    shape = (SCRATCH_BYTES // 2**20 + 1, 1024, 1024)
    array = allocate(shape, np.uint8)
    assert isinstance(array, np.memmap)
    array[-1, -1, -1] = 7
    assert array[-1, -1, -1] == 7
    assert array[0, 0, 0] == 0
