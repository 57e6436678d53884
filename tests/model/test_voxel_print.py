"""The voxel print: one for the same voxels however they are stored, another after any change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.strategies import INTEGERS, affines, arrays
from vasculum.model import voxels
from vasculum.model.geometry import RAS_FROM_LPS
from vasculum.model.voxels import release, rescale, rescaled_dtype, voxel_print

AXES = ("kji", "tkji", "kjic", "tkjic")


def stored_otherwise(
    array: NDArray[Any], affine: NDArray[np.float64], order: list[int], flips: tuple[bool, ...], axes: str
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Store the same volume with its (i, j, k) axes in another order, some of them backwards."""
    first = axes.index("k")
    sizes = array.shape[first : first + 3][::-1]
    out = affine.copy()
    view = array
    for axis, flip in enumerate(flips):
        if flip:
            out[:3, 3] += out[:3, axis] * (sizes[axis] - 1)
            out[:3, axis] *= -1
            view = np.flip(view, first + 2 - axis)
    out[:, :3] = out[:, order]
    spatial = [first + 2 - order[2 - position] for position in range(3)]
    return view.transpose([*range(first), *spatial, *range(first + 3, array.ndim)]), out


@given(st.data(), st.sampled_from(AXES), affines(), st.permutations([0, 1, 2]), st.tuples(*[st.booleans()] * 3))
def test_axis_order_and_direction_do_not_matter(
    data: st.DataObject, axes: str, affine: NDArray[np.float64], order: list[int], flips: tuple[bool, ...]
) -> None:
    array = data.draw(arrays(axes=axes))
    other, turned = stored_otherwise(array, affine, order, flips, axes)
    assert voxel_print(other, turned, axes) == voxel_print(array, affine, axes)
    assert voxel_print(np.ascontiguousarray(other), turned, axes) == voxel_print(array, affine, axes)


@given(st.integers(0, 7), st.permutations([0, 1, 2]), st.tuples(*[st.booleans()] * 3))
def test_a_grid_at_45_degrees_has_one_print(eighths: int, order: list[int], flips: tuple[bool, ...]) -> None:
    angle = eighths * np.pi / 4
    affine = np.eye(4)
    affine[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    other, turned = stored_otherwise(array, affine, order, flips, "kji")
    assert voxel_print(other, turned) == voxel_print(array, affine)


@given(
    arrays(dtypes=("u1", "i1", "<i2", "<u2")), affines(), st.sampled_from(["<i4", ">i4", "<i8", "<f4", "<f8", ">i8"])
)
def test_width_and_byte_order_do_not_matter(array: NDArray[Any], affine: NDArray[np.float64], wider: str) -> None:
    assert voxel_print(array.astype(wider), affine) == voxel_print(array, affine)


@pytest.mark.parametrize("extreme", [-(2**31), 2**31 - 1, 2**31, -(2**31) - 1, 2**40])
def test_extremes_have_one_print_in_every_type_that_holds_them(extreme: int) -> None:
    array = np.zeros((2, 3, 4), np.int64)
    array[1, 2, 3] = extreme
    expected = voxel_print(array, np.eye(4))
    types: list[Any] = [np.float64] + [
        t for t in (np.int32, np.uint32) if np.iinfo(t).min <= extreme <= np.iinfo(t).max
    ]
    for dtype in types:
        assert voxel_print(array.astype(dtype), np.eye(4)) == expected


@pytest.mark.parametrize("value", [2.0**63, 1e300, -1e30])
def test_whole_numbers_beyond_64_bits_are_floats(value: float) -> None:
    array = np.full((1, 1, 2), value)
    other = np.full((1, 1, 2), value * 2)
    assert voxel_print(array, np.eye(4)) != voxel_print(other, np.eye(4))


def test_uint64_beyond_int64_is_told_apart() -> None:
    array = np.full((1, 1, 2), 2**64 - 2**12, np.uint64)
    assert voxel_print(array, np.eye(4)) != voxel_print(array - np.uint64(2**13), np.eye(4))


@given(arrays(axes="kji"), affines(), st.data())
def test_one_changed_voxel_gives_another_print(
    array: NDArray[Any], affine: NDArray[np.float64], data: st.DataObject
) -> None:
    changed = array.copy()
    place = data.draw(st.integers(0, array.size - 1))
    changed.reshape(-1)[place] = 77 if array.reshape(-1)[place] != 77 else 78
    assert voxel_print(changed, affine) != voxel_print(array, affine)


@given(arrays(axes="kji", dtypes=INTEGERS), affines())
def test_another_shape_gives_another_print(array: NDArray[Any], affine: NDArray[np.float64]) -> None:
    flat = array.reshape(1, 1, -1)
    assert (voxel_print(flat, affine) == voxel_print(array, affine)) == (flat.shape == array.shape)
    longer = np.concatenate([array, np.zeros_like(array[:1])])
    assert voxel_print(longer, affine) != voxel_print(array, affine)


def test_time_and_components_are_not_mixed_up() -> None:
    array = np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3)
    assert voxel_print(array, np.eye(4), "kjic") != voxel_print(array, np.eye(4), "tkji")
    with pytest.raises(ValueError, match="axes"):
        voxel_print(array, np.eye(4), "kji")


def test_nan_volumes_have_a_print() -> None:
    array = np.zeros((2, 2, 2), np.float32)
    array[0, 0, 0] = np.nan
    assert voxel_print(array, np.eye(4)) == voxel_print(array.astype(np.float64), np.eye(4))
    assert voxel_print(array, np.eye(4)) != voxel_print(np.zeros((2, 2, 2)), np.eye(4))


@pytest.mark.parametrize("order", [[0, 1, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]])
def test_streaming_in_small_slabs_gives_the_same_print(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: list[int]
) -> None:
    """Memory map against array, and slabs of a few rows against the whole."""
    rng = np.random.default_rng(1)
    array = rng.integers(-1000, 1000, (11, 13, 17)).astype("<i2")
    array.tofile(tmp_path / "a.raw")
    mapped = np.memmap(tmp_path / "a.raw", "<i2", mode="r", shape=array.shape)
    affine = np.diag([1.0, 2, 3, 1])
    expected = voxel_print(array, affine)
    other, turned = stored_otherwise(mapped, affine, order, (True, False, True), "kji")
    assert voxel_print(mapped, affine) == expected
    monkeypatch.setattr(voxels, "STREAM_BYTES", 1000)
    assert voxel_print(other, turned) == expected
    assert voxel_print(other.astype(np.float32), turned) == expected


def test_nrrd_nifti_and_dicom_like_expressions_have_one_print() -> None:
    """One volume as LPS stack (DICOM), as RAS array (NIfTI writers flip rows), as sagittal stack, rescaled or not."""
    rng = np.random.default_rng(2)
    hounsfield = rng.integers(-1024, 3000, (5, 6, 7)).astype(np.int16)
    lps = np.diag([0.5, 0.6, 0.7, 1.0])
    expected = voxel_print(hounsfield, lps)
    stored = (hounsfield.astype(np.int32) + 1024).astype(np.uint16)
    assert voxel_print(rescale(stored, 1, -1024), lps) == expected
    as_nifti, affine = stored_otherwise(hounsfield, lps, [0, 1, 2], (True, True, False), "kji")
    assert (np.diag(RAS_FROM_LPS @ affine)[:3] > 0).all()
    assert voxel_print(as_nifti.astype(np.float32), affine) == expected
    sagittal, affine = stored_otherwise(hounsfield, lps, [1, 2, 0], (False, False, True), "kji")
    assert voxel_print(np.ascontiguousarray(sagittal), affine) == expected


@given(arrays(dtypes=INTEGERS), st.integers(-300, 300).filter(bool), st.integers(-5000, 5000))
def test_whole_rescales_stay_whole(array: NDArray[Any], slope: int, intercept: int) -> None:
    values = rescale(array, float(slope), float(intercept))
    assert values.dtype.kind == "i" or (slope, intercept) == (1, 0)
    assert (values.astype(object) == array.astype(object) * slope + intercept).all()


@pytest.mark.parametrize(
    ("dtype", "slope", "intercept", "expected"),
    [
        ("u1", 1, -1024, "<i2"),
        ("<u2", 1, -1024, "<i4"),
        ("<i2", 1, 1, "<i4"),
        ("<i4", 2, 0, "<i8"),
        ("<i8", 2, 0, "<f8"),
        ("<i2", 0.5, 0, "<f4"),
        ("<i4", 0.5, 0, "<f8"),
        ("<f4", 2, 0, "<f4"),
        ("<f8", 2, 0, "<f8"),
    ],
)
def test_type_after_rescale(dtype: str, slope: float, intercept: float, expected: str) -> None:
    assert rescaled_dtype(np.dtype(dtype), slope, intercept) == np.dtype(expected)


def test_release_takes_any_array(tmp_path: Path) -> None:
    np.arange(10, dtype=np.uint8).tofile(tmp_path / "a")
    mapped = np.memmap(tmp_path / "a", np.uint8, mode="r")
    release(mapped[2:].reshape(2, 4).T)
    release(np.arange(3))
    assert mapped[9] == 9
