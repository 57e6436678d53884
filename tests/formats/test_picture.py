"""Small pictures of volumes."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from vasculum.formats.picture import LONGEST_SIDE, display_window, mid_slice_png
from vasculum.model.geometry import Geometry


def _drawn(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


def test_the_middle_slice_is_drawn_in_true_proportions() -> None:
    array = np.zeros((5, 20, 40), np.int16)
    array[2, :, 20:] = 1000
    geometry = Geometry.from_affine(np.diag([1, 4, 1, 1.0]), (5, 20, 40))
    picture = _drawn(mid_slice_png(array, geometry, (500, 1000)))
    assert picture.size == (LONGEST_SIDE // 2, LONGEST_SIDE)
    assert picture.getpixel((10, 10)) == 0
    assert picture.getpixel((120, 200)) == 255


@pytest.mark.parametrize(
    ("shape", "axes", "mode"),
    [
        ((3, 4, 5), "kji", "L"),
        ((2, 3, 4, 5), "tkji", "L"),
        ((3, 4, 5, 3), "kjic", "RGB"),
        ((3, 4, 5, 2), "kjic", "L"),
        ((2, 3, 4, 5, 3), "tkjic", "RGB"),
        ((1, 1, 1), "kji", "L"),
        ((1, 3000, 2), "kji", "L"),
    ],
)
def test_every_order_of_axes_is_drawn(shape: tuple[int, ...], axes: str, mode: str) -> None:
    array = np.random.default_rng(1).integers(0, 255, shape, np.uint8)
    picture = _drawn(mid_slice_png(array, axes=axes))
    assert picture.mode == mode
    assert max(picture.size) == LONGEST_SIDE


def test_values_that_are_no_numbers_are_drawn_dark() -> None:
    array = np.full((1, 8, 8), np.nan)
    array[0, 4:] = 5
    assert _drawn(mid_slice_png(array, window=(2.5, 5))).getpixel((10, 10)) == 0
    assert display_window(np.full((2, 2, 2), np.nan)) == (0, 1)


def test_the_window_spans_most_values() -> None:
    values = np.random.default_rng(1).normal(100, 10, (20, 64, 64))
    values[0, 0, 0] = 1e9
    centre, width = display_window(values)
    assert centre == pytest.approx(100, abs=2)
    assert 45 < width < 60
    assert display_window(np.full((3, 3, 3), 7, np.uint8)) == (7, 1)
