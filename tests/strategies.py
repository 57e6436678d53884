"""What property tests draw: grids in space, arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

INTEGERS = ("u1", "i1", "<i2", "<u2", ">i2", "<i4", "<u4")
FLOATS = ("<f4", "<f8", ">f4")


def rotation(quaternion: tuple[float, float, float, float]) -> NDArray[np.float64]:
    """Give the 3×3 rotation of a quaternion that need not have unit length."""
    w, x, y, z = np.asarray(quaternion) / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


@st.composite
def affines(draw: st.DrawFn, *, oblique: bool = True) -> NDArray[np.float64]:
    """Draw a 4×4 index → LPS matrix: rotated, anisotropic, of either handedness."""
    part = st.floats(-1, 1, allow_nan=False).map(lambda number: round(number, 3))
    turn = draw(st.tuples(part, part, part, part).filter(lambda q: sum(n * n for n in q) > 0.01))
    matrix = np.eye(4)
    if oblique:
        matrix[:3, :3] = rotation(turn)
    else:
        matrix[:3, :3] = np.eye(3)[:, draw(st.permutations([0, 1, 2]))]
    signs = draw(st.tuples(*[st.sampled_from([1, -1])] * 3))
    spacing = draw(st.tuples(*[st.sampled_from([0.018, 0.035278350114822388, 0.5, 1.0, 2.5, 6.499999999999998])] * 3))
    matrix[:3, :3] *= np.array(signs) * np.array(spacing)
    matrix[:3, 3] = draw(st.tuples(*[st.floats(-500, 500, allow_nan=False)] * 3))
    return matrix


def shapes(most: int = 6) -> st.SearchStrategy[tuple[int, int, int]]:
    """Draw a (k, j, i) shape."""
    return st.tuples(*[st.integers(1, most)] * 3)


@st.composite
def arrays(draw: st.DrawFn, *, axes: str = "kji", dtypes: tuple[str, ...] = INTEGERS + FLOATS) -> NDArray[Any]:
    """Draw an array of finite numbers whose axes are named by `axes`."""
    shape = tuple(draw(st.integers(1, 5)) if axis in "kji" else draw(st.integers(2, 5)) for axis in axes)
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    finite = None
    if dtype.kind == "f":
        finite = st.floats(-1e6, 1e6, allow_nan=False, width=32)
    return draw(npst.arrays(dtype, shape, elements=finite))
