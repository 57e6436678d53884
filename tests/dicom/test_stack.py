"""Sorting planes into stacks: nothing lost, order and affine right, faults named."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vasculum.dicom.stack import Plane, Stack, stacks

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def planes(places: list[float], **each: list[Any]) -> list[Plane]:
    found = []
    for n, place in enumerate(places):
        more = {name: values[n] for name, values in each.items()}
        given_: dict[str, Any] = {"position": (0.0, 0.0, place), "orientation": AXIAL, "spacing": (0.5, 0.25), **more}
        found.append(Plane(index=n, rows=4, columns=6, number=float(n), **given_))
    return found


def codes(stack: Stack) -> list[str]:
    return [f.code for f in stack.findings]


rotations = st.tuples(*[st.floats(-3, 3) for _ in range(3)])


@given(
    angles=rotations,
    step=st.floats(0.01, 10),
    count=st.integers(2, 30),
    times=st.integers(1, 4),
    seed=st.integers(0, 1000),
)
def test_any_regular_grid_is_found(
    angles: tuple[float, float, float], step: float, count: int, times: int, seed: int
) -> None:
    turn = np.eye(3)
    for axis, angle in enumerate(angles):
        c, s = np.cos(angle), np.sin(angle)
        i, j = [n for n in range(3) if n != axis]
        one = np.eye(3)
        one[i, i], one[i, j], one[j, i], one[j, j] = c, -s, s, c
        turn = turn @ one
    orientation = tuple(float(v) for v in (*turn[:, 0], *turn[:, 1]))
    affine = np.eye(4)
    affine[:3, :3] = turn * [0.25 * step, 0.5 * step, step]
    affine[:3, 3] = (3.5, -80, 11)
    given_ = []
    for t in range(times):
        for k in range(count):
            x, y, z = (float(v) for v in (affine @ [0, 0, k, 1])[:3])
            given_.append((t, k, (x, y, z)))
    random.Random(seed).shuffle(given_)
    made = [
        Plane(
            n,
            4,
            6,
            position=p,
            orientation=orientation,
            spacing=(0.5 * step, 0.25 * step),
            time=float(t),
        )  # type: ignore[arg-type]
        for n, (t, k, p) in enumerate(given_)
    ]
    (stack,) = stacks(made)
    assert stack.geometry is not None
    assert stack.geometry.regular
    assert stack.geometry.right_handed
    np.testing.assert_allclose(stack.geometry.affine, affine, atol=1e-6)
    assert [[given_[n][:2] for n in row] for row in stack.order] == [
        [(t, k) for k in range(count)] for t in range(times)
    ]


@given(
    places=st.lists(st.integers(0, 12), min_size=1, max_size=40),
    seed=st.integers(0, 10**6),
)
def test_every_plane_is_in_exactly_one_stack(places: list[int], seed: int) -> None:
    rng = random.Random(seed)
    made = planes(
        [float(p) for p in places],
        acquisition=[float(rng.randint(1, 3)) for _ in places],
        time=[float(rng.randint(0, 2)) for _ in places],
        label=[rng.choice("ab") for _ in places],
    )
    found = stacks(made)
    assert sorted(i for s in found for i in s.indices) == list(range(len(places)))
    assert all(len({len(row) for row in s.order}) == 1 for s in found)


@pytest.mark.parametrize(
    ("places", "code", "words"),
    [
        ([0, 5, 10, 20, 25], "missing-slices", "1 slice is missing"),
        ([0, 5, 10, 30], "missing-slices", "3 slices are missing"),
        ([0, 4, 8, 15, 22], "irregular-spacing", "4 to 7 mm"),
        ([0, 1, 2.3, 3], "irregular-spacing", "not evenly spaced"),
    ],
)
def test_gaps_are_said_in_numbers(places: list[float], code: str, words: str) -> None:
    (stack,) = stacks(planes(places))
    assert codes(stack) == [code]
    assert words in stack.findings[0].text
    assert stack.geometry is not None
    assert stack.geometry.irregular == stack.findings[0].text


def test_two_scans_of_different_thickness_are_parted() -> None:
    found = stacks(planes([0, 4, 8, 15, 22, 29], thickness=[4, 4, 4, 7, 7, 7]))
    assert [len(s.indices) for s in found] == [3, 3]
    assert all(s.geometry is not None and s.geometry.regular for s in found)
    assert all("slice thickness" in s.findings[0].text for s in found)


def test_a_missing_slice_is_not_split_away_by_acquisition() -> None:
    (stack,) = stacks(planes([0, 5, 10, 20, 25, 30], acquisition=[1, 1, 1, 2, 2, 2]))
    assert codes(stack) == ["missing-slices"]


def test_tilt_is_kept_as_a_shear() -> None:
    made = [
        Plane(n, 4, 6, (0.0, n * np.tan(np.radians(18.5)) * 7, 7.0 * n), AXIAL, (0.5, 0.5), tilt=18.5)
        for n in range(5)
    ]
    (stack,) = stacks(made)
    assert codes(stack) == ["gantry-tilt"]
    assert "18.50°" in stack.findings[0].text
    assert stack.geometry is not None
    np.testing.assert_allclose(stack.geometry.affine[:3, 2], [0, 7 * np.tan(np.radians(18.5)), 7], atol=1e-9)


def test_doubled_slices_are_kept_apart() -> None:
    found = stacks(planes([0, 1, 2, 3, 4, 2]))
    assert [len(s.indices) for s in found] == [5, 1]
    assert all("doubled-slices" in codes(s) for s in found)


def test_an_incomplete_time_point_is_kept_apart() -> None:
    found = stacks(planes([0, 1, 2] * 3 + [0, 1], time=[1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4]))
    assert [len(s.order) for s in found] == [3, 1]
    assert all("incomplete-volume" in codes(s) for s in found)


def test_images_at_one_place_are_no_volume() -> None:
    (stack,) = stacks(planes([7.0] * 4))
    assert codes(stack) == ["not-a-volume"]
    assert stack.flat
    assert stack.geometry is not None
    assert stack.geometry.shape == (1, 4, 6)


def test_a_slice_beside_the_line_is_seen() -> None:
    made = planes([0, 1, 2, 3])
    made[2] = Plane(2, 4, 6, (0.4, 0.0, 2.0), AXIAL, (0.5, 0.25), number=2)
    (stack,) = stacks(made)
    assert codes(stack) == ["irregular-spacing"]
    assert "beside" in stack.findings[0].text


def test_bad_cosines_are_no_geometry() -> None:
    (stack,) = stacks(planes([0, 1], orientation=[(1.0, 0.0, 0.0, 1.0, 0.0, 0.0)] * 2))
    assert codes(stack) == ["bad-orientation"]
    assert stack.geometry is None


def test_many_crowded_places_take_linear_time() -> None:
    places = [float(k) for k in range(60) for _ in range(k + 1)]
    found = stacks(planes(places, time=[float(n) for n in range(len(places))]))
    assert sum(len(s.indices) for s in found) == len(places)
