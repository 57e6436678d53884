"""Grids in space: affines, sameness with tolerance, canonical axes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.strategies import affines, shapes
from vasculum.model.geometry import RAS_FROM_LPS, Geometry
from vasculum.model.voxels import canonical_axes


@given(affines(), shapes())
def test_affine_comes_back(affine: NDArray[np.float64], shape: tuple[int, int, int]) -> None:
    geometry = Geometry.from_affine(affine, shape)
    assert geometry.affine == pytest.approx(affine, abs=1e-9)
    assert geometry.shape == shape
    assert Geometry.from_affine(geometry.affine, shape).same_grid(geometry)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(bad: float) -> None:
    affine = np.eye(4)
    affine[1, 3] = bad
    with pytest.raises(ValueError, match="finite"):
        Geometry.from_affine(affine, (1, 2, 3))


def test_lengths_beyond_all_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="beyond"):
        Geometry.from_affine(np.full((4, 4), 1e300), (1, 1, 1))


def test_axes_that_do_not_span_space_are_refused() -> None:
    affine = np.eye(4)
    affine[:3, 1] = affine[:3, 0]
    with pytest.raises(ValueError, match="same way"):
        Geometry.from_affine(affine, (1, 1, 1))


@pytest.mark.parametrize("shape", [(0, 2, 3), (1, -2, 3)])
def test_empty_shapes_are_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="no length"):
        Geometry.from_affine(np.eye(4), shape)
    with pytest.raises(ValueError, match="no length"):
        Geometry.from_affine(np.diag([1.0, 0, 1, 1]), (1, 2, 3))


@given(affines(), shapes(), st.permutations([0, 1, 2]), st.tuples(*[st.booleans()] * 3))
def test_a_permuted_and_flipped_grid_fills_the_same_space(
    affine: NDArray[np.float64], shape: tuple[int, int, int], order: list[int], flips: tuple[bool, bool, bool]
) -> None:
    geometry = Geometry.from_affine(affine, shape)
    other = Geometry.from_affine(*restored(affine, shape, order, flips))
    assert geometry.same_space(other)
    assert other.same_space(geometry)


def restored(
    affine: NDArray[np.float64], shape: tuple[int, int, int], order: list[int], flips: tuple[bool, ...]
) -> tuple[NDArray[np.float64], tuple[int, int, int]]:
    """Give affine and shape after storing the (i, j, k) axes in another order and some of them backwards."""
    sizes = shape[::-1]
    out = affine.copy()
    for axis, flip in enumerate(flips):
        if flip:
            out[:3, 3] += out[:3, axis] * (sizes[axis] - 1)
            out[:3, axis] *= -1
    out[:, :3] = out[:, order]
    i, j, k = (sizes[n] for n in order)
    return out, (k, j, i)


def test_same_space_does_not_hang_on_rounding() -> None:
    """Corners that lie between two hundredths of a millimetre, off by the last bit."""
    near = Geometry.from_affine(np.diag([0.005, 0.005, 0.005, 1.0]), (2, 2, 2))
    affine = np.diag([0.005, 0.005, 0.005, 1.0])
    affine[:3, 3] = 1e-12
    assert near.same_space(Geometry.from_affine(affine, (2, 2, 2)))


def test_tolerance_is_a_fraction_of_a_small_voxel() -> None:
    affine = np.diag([0.0005, 0.0005, 0.0005, 1.0])  # half a micrometre
    moved = affine.copy()
    moved[0, 3] = 0.0009
    assert not Geometry.from_affine(affine, (9, 9, 9)).same_grid(Geometry.from_affine(moved, (9, 9, 9)))


def test_tolerance_forgives_headers_of_32_bits() -> None:
    affine = np.diag([0.002, 0.002, 0.002, 1.0])
    affine[:3, 3] = 912.3456789
    rounded = affine.astype(np.float32).astype(np.float64)
    assert Geometry.from_affine(affine, (9, 9, 9)).same_grid(Geometry.from_affine(rounded, (9, 9, 9)))


def test_another_shape_or_place_is_another_grid() -> None:
    one = Geometry.from_affine(np.eye(4), (4, 5, 6))
    moved = np.eye(4)
    moved[2, 3] = 0.5
    assert not one.same_grid(Geometry.from_affine(np.eye(4), (4, 5, 7)))
    assert not one.same_grid(Geometry.from_affine(moved, (4, 5, 6)))
    assert not one.same_space(Geometry.from_affine(moved, (4, 5, 6)))
    assert not one.same_space(Geometry.from_affine(np.eye(4), (4, 5, 7)))


def test_handedness() -> None:
    assert Geometry.from_affine(np.eye(4), (1, 1, 1)).right_handed
    assert not Geometry.from_affine(np.diag([1.0, 1, -1, 1]), (1, 1, 1)).right_handed


@given(affines())
def test_canonical_axes_ascend_in_ras(affine: NDArray[np.float64]) -> None:
    """Every axis is used once, and each points more along its own world direction than against it."""
    order, flips = canonical_axes(affine)
    assert sorted(order) == [0, 1, 2]
    ras = RAS_FROM_LPS @ affine
    for position, (axis, flip) in enumerate(zip(order, flips, strict=True)):  # S, A, R
        along = ras[2 - position, 2 - axis]
        assert (along < 0) == flip


@given(affines(oblique=False))
def test_canonical_axes_agree_with_nibabel(affine: NDArray[np.float64]) -> None:
    from nibabel.orientations import io_orientation

    order, flips = canonical_axes(affine)
    theirs = io_orientation(RAS_FROM_LPS @ affine)  # row: input axis i, j, k -> (output axis, direction)
    for position in range(3):
        column = 2 - order[position]
        assert theirs[column, 0] == 2 - position
        assert (theirs[column, 1] < 0) == flips[position]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_grid_at_45_degrees_has_one_canonical_form(order: tuple[int, int, int]) -> None:
    half = np.sqrt(0.5)
    affine = np.eye(4)
    affine[:3, :3] = [[half, -half, 0], [half, half, 0], [0, 0, 1]]
    lines = [np.outer(column, column) for column in affine[:3, :3].T]
    base, _ = canonical_axes(affine)
    turned = affine.copy()
    turned[:, :3] = affine[:, list(order)]
    found, _ = canonical_axes(turned)
    for position in range(3):
        expected = lines[2 - base[position]]
        assert lines[order[2 - found[position]]] == pytest.approx(expected)
