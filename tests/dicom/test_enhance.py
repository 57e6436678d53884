"""Volumes as multi-frame DICOM: conformance, voxels, affines, streaming."""

from __future__ import annotations

import hashlib
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dicom.specimens import (
    MOUSE,
    WHEN,
    assert_conformant,
    context,
    from_nibabel,
    itk_affine,
    oblique,
    right_handed,
    stored,
    values,
    write,
)
from tests.interop import require
from vasculum.dicom.conformance import geometry_problems
from vasculum.dicom.enhance import image_class, write_volume
from vasculum.dicom.volume_header import (
    BYTE_CAPTURE,
    COLOR_CAPTURE,
    ENHANCED_CT,
    ENHANCED_MR,
    PARAMETRIC_MAP,
    WORD_CAPTURE,
)
from vasculum.dicom.write import PAGE_BYTES
from vasculum.errors import Invalid, Unsupported
from vasculum.model.geometry import Geometry
from vasculum.model.kinds import SubjectKind

ITK_READS = {ENHANCED_CT, ENHANCED_MR, BYTE_CAPTURE, WORD_CAPTURE}


def assert_read_alike(path: Path, array: np.ndarray, geometry: Geometry, sop_class_uid: str) -> None:
    """pydicom, highdicom and (where it knows the class) SimpleITK find the same voxels at the same places."""
    import highdicom as hd

    assert np.array_equal(pydicom.dcmread(path).pixel_array, array)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        volume = hd.imread(path).get_volume()
    # highdicom orders frames left-handed, rows first: compare world positions of single voxels
    index = np.array([[k, j, i] for k in (0, array.shape[0] - 1) for j in (0, 2) for i in (0, 3)])
    world = (geometry.affine @ np.c_[index[:, ::-1], np.ones(len(index))].T)[:3]
    at = np.rint(np.linalg.inv(volume.affine) @ np.vstack((world, np.ones(len(index)))))[:3].astype(int)
    assert np.array_equal(volume.array[tuple(at)], array[tuple(index.T)])
    if sop_class_uid in ITK_READS:
        sitk = require("SimpleITK")
        image = sitk.ReadImage(str(path))
        assert np.array_equal(sitk.GetArrayFromImage(image), array)
        assert np.allclose(itk_affine(image), geometry.affine, atol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "modality", "unit", "sop_class_uid"),
    [
        ("i2", "CT", "HU", ENHANCED_CT),
        ("u2", "CT", "", ENHANCED_CT),
        ("i2", "MR", "", ENHANCED_MR),
        ("u1", "MR", "", ENHANCED_MR),
        ("i2", "", "", ENHANCED_CT),
        ("i1", "", "", ENHANCED_CT),
        ("u1", "CT", "", BYTE_CAPTURE),
        ("u2", "", "", WORD_CAPTURE),
        ("f4", "CT", "", PARAMETRIC_MAP),
        ("f8", "MR", "ms", PARAMETRIC_MAP),
    ],
)
def test_every_kind_of_values_gets_a_conformant_object(
    tmp_path: Path, dtype: str, modality: str, unit: str, sop_class_uid: str
) -> None:
    require("dciodvfy")
    geometry = oblique()
    array = values(geometry.shape, dtype)
    written = write(tmp_path / "IM000001", array, geometry, modality, unit=unit)
    assert written.sop_class_uid == sop_class_uid
    assert_conformant(written.path, geometry)
    assert np.array_equal(stored(written, array.shape), array)
    assert_read_alike(written.path, array, geometry, sop_class_uid)


@pytest.mark.parametrize(("kind", "metadata"), [(SubjectKind.PATIENT, {"sex": "F"}), (SubjectKind.ANIMAL, MOUSE)])
@pytest.mark.parametrize(("dtype", "modality"), [("i2", "CT"), ("u2", "MR"), ("u1", ""), ("f4", "PT")])
def test_people_and_animals_are_conformant_too(
    tmp_path: Path, kind: SubjectKind, metadata: dict[str, Any], dtype: str, modality: str
) -> None:
    require("dciodvfy")
    array = values((5, 8, 7), dtype)
    written = write(tmp_path / "x", array, oblique(), modality, context=context(kind, "P 1", metadata))
    assert_conformant(written.path, oblique())


def test_colour_becomes_true_colour_secondary_capture(tmp_path: Path) -> None:
    require("dciodvfy")
    array = values((5, 8, 7, 3), "u1")
    written = write(tmp_path / "x", array, oblique(), "", axes="kjic")
    assert written.sop_class_uid == COLOR_CAPTURE
    assert_conformant(written.path, oblique())
    assert np.array_equal(pydicom.dcmread(written.path).pixel_array, array)


def test_a_mouse_skull_from_nifti(tmp_path: Path, shared_data: Path) -> None:
    require("dciodvfy")
    array, geometry = from_nibabel(shared_data / "specimen-mouse-ct/mouse_CT_atlas/targets/C57BL6_J_.nii.gz")
    written = write(tmp_path / "skull", array, geometry)
    assert_conformant(written.path, geometry)
    assert np.array_equal(stored(written, array.shape), array)
    if written.sop_class_uid in ITK_READS:
        assert_read_alike(written.path, array, geometry, written.sop_class_uid)


def test_wide_integers_of_an_nrrd_are_narrowed(tmp_path: Path, shared_data: Path) -> None:
    import nrrd

    require("dciodvfy")
    array, header = nrrd.read(str(shared_data / "nrrd/slicerio/CTChest4.nrrd"))
    affine = np.eye(4)
    affine[:3, :3] = header["space directions"].T
    affine[:3, 3] = header["space origin"]
    turned, geometry = right_handed(array.T, affine)
    assert turned.dtype == np.int32
    written = write(tmp_path / "chest", turned, geometry, unit="HU")
    assert (written.sop_class_uid, written.dtype) == (ENHANCED_CT, "<i2")
    assert_conformant(written.path, geometry)
    assert_read_alike(written.path, turned, geometry, ENHANCED_CT)


def test_an_eight_bit_micro_ct_stack(tmp_path: Path, shared_data: Path) -> None:
    import tifffile

    require("dciodvfy")
    array = tifffile.imread(shared_data / "microct-stack/MorphoLibJ/bat-cochlea_sub25.tif")
    affine = np.diag([0.0125, 0.0125, 0.0125, 1.0])
    geometry = Geometry.from_affine(affine, array.shape)
    written = write(tmp_path / "cochlea", array, geometry)
    assert written.sop_class_uid == BYTE_CAPTURE
    assert_conformant(written.path, geometry)
    assert_read_alike(written.path, array, geometry, BYTE_CAPTURE)


def test_integers_that_need_32_bits_become_a_double_map(tmp_path: Path) -> None:
    array = values((5, 8, 7), "u2").astype("u4") * 70000
    written = write(tmp_path / "x", array, oblique())
    assert (written.sop_class_uid, written.dtype, written.pixel_keyword) == (
        PARAMETRIC_MAP,
        "<f8",
        "DoubleFloatPixelData",
    )
    assert np.array_equal(stored(written, array.shape), array)
    with pytest.raises(Unsupported, match="2\\*\\*53"):
        write(tmp_path / "y", array.astype("u8") * 2**40, oblique())


@given(
    shape=st.tuples(*[st.integers(1, 6)] * 3),
    dtype=st.sampled_from(["u1", "i1", ">i2", "<u2", "<i4", "f4", ">f8"]),
    modality=st.sampled_from(["CT", "MR", "", "PT"]),
    spacing=st.tuples(*[st.floats(1e-4, 50)] * 3),
)
def test_any_volume_is_written_as_it_is(
    tmp_path_factory: pytest.TempPathFactory,
    shape: tuple[int, int, int],
    dtype: str,
    modality: str,
    spacing: tuple[float, float, float],
) -> None:
    geometry = oblique(shape, spacing)
    array = values(shape, dtype)
    written = write(tmp_path_factory.mktemp("any") / "x", array, geometry, modality)
    assert np.array_equal(stored(written, shape), array)
    assert written.pixel_offset % PAGE_BYTES == 0
    assert written.sha256_of_pixels == hashlib.sha256(stored(written, shape).tobytes()).hexdigest()
    size = written.path.stat().st_size
    assert size == written.pixel_offset + written.pixel_length + written.padded
    assert geometry_problems(written.path, geometry) == []


def test_an_odd_number_of_bytes_is_padded_and_said(tmp_path: Path) -> None:
    require("dciodvfy")
    array = values((3, 5, 7), "u1")
    written = write(tmp_path / "x", array, oblique(array.shape))
    assert written.padded
    assert written.pixel_length == 105
    assert_conformant(written.path)


def test_the_same_volume_gives_the_same_bytes(tmp_path: Path) -> None:
    array = values((5, 8, 7), "i2")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one = write(tmp_path / "a/x", array, oblique())
    other = write(tmp_path / "b/x", array, oblique())
    assert one.path.read_bytes() == other.path.read_bytes()


def test_nothing_is_left_behind_by_a_failure(tmp_path: Path) -> None:
    array = values((5, 8, 7), "i2")
    with pytest.raises(Invalid, match="add up"):
        write(tmp_path / "short", array[:4], oblique())
    with pytest.raises(Invalid, match="add up"):
        write(tmp_path / "long", np.concatenate((array, array)), oblique())
    with pytest.raises(Invalid, match="frames of"):
        write(tmp_path / "narrow", array[:, :, :3], oblique())
    assert list(tmp_path.iterdir()) == []


def test_left_handed_frames_are_refused(tmp_path: Path) -> None:
    affine = oblique().affine.copy()
    affine[:3, 2] *= -1
    with pytest.raises(Invalid, match="right-handed"):
        write(tmp_path / "x", values((5, 8, 7), "i2"), Geometry.from_affine(affine, (5, 8, 7)))


def test_more_than_four_gigabytes_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    geometry = oblique((2000, 2000, 2000))
    with pytest.raises(Unsupported, match="4 GiB"):
        write_volume(
            tmp_path / "x",
            iter(()),
            geometry=geometry,
            dtype=np.dtype("u2"),
            modality="CT",
            context=context(),
            series_uid="2.25.1",
            series_number=1,
            label="big",
            sop_instance_uid="2.25.2",
            when=WHEN,
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("axes", ["tkji", "kjic"])
def test_series_in_time_and_vectors_are_unsupported(axes: str) -> None:
    with pytest.raises(Unsupported):
        image_class(np.dtype("i2"), "MR", axes)
    with pytest.raises(Unsupported):
        image_class(np.dtype("c8"), "MR")


def test_a_stream_is_never_held_whole(tmp_path: Path) -> None:
    """256 MiB of voxels pass through less than 40 MiB of memory."""
    slab = values((8, 1024, 1024), "i2")
    geometry = Geometry.from_affine(np.eye(4), (128, 1024, 1024))

    def slabs() -> Iterator[np.ndarray]:
        for _ in range(16):
            yield slab

    tracemalloc.start()
    try:
        written = write_volume(
            tmp_path / "x",
            slabs(),
            geometry=geometry,
            dtype=slab.dtype,
            modality="CT",
            context=context(),
            series_uid="2.25.1",
            series_number=1,
            label="stream",
            sop_instance_uid="2.25.2",
            when=WHEN,
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert written.pixel_length == 256 * 2**20
    assert peak < 40 * 2**20


def _lose_a_position(ds: pydicom.Dataset) -> None:
    del ds.PerFrameFunctionalGroupsSequence[2].PlanePositionSequence


def _move_a_frame(ds: pydicom.Dataset) -> None:
    ds.PerFrameFunctionalGroupsSequence[2].PlanePositionSequence[0].ImagePositionPatient[2] += 0.5


def _move_all_frames(ds: pydicom.Dataset) -> None:
    for frame in ds.PerFrameFunctionalGroupsSequence:
        frame.PlanePositionSequence[0].ImagePositionPatient[0] += 0.5


def _name_another_dimension(ds: pydicom.Dataset) -> None:
    ds.DimensionIndexSequence[0].DimensionOrganizationUID = "2.25.9"


def _repeat_an_index(ds: pydicom.Dataset) -> None:
    ds.PerFrameFunctionalGroupsSequence[1].FrameContentSequence[0].DimensionIndexValues = [1, 1]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_lose_a_position, "frame 3 has no Plane Position"),
        (_move_a_frame, "not evenly spaced"),
        (_move_all_frames, "0.5 mm from where"),
        (_name_another_dimension, "unknown Dimension Organization"),
        (_repeat_an_index, "same dimension index"),
    ],
)
def test_the_geometry_check_sees_what_dciodvfy_does_not(
    tmp_path: Path, damage: Callable[[pydicom.Dataset], None], said: str
) -> None:
    written = write(tmp_path / "x", values((5, 8, 7), "i2"), oblique())
    ds = pydicom.dcmread(written.path)
    damage(ds)
    ds.save_as(tmp_path / "y")
    assert any(said in problem for problem in geometry_problems(tmp_path / "y", oblique()))
