"""Colours of segments and meshes: sRGB and DICOM's CIELab (PS3.3 C.10.7.1.1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vasculum.model.geometry import Vector

_XYZ_FROM_RGB = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_WHITE = np.array([0.95047, 1.0, 1.08883])
"""White of D65. The standard speaks of the PCS, whose white is D50, but PixelMed, dcmtk, dcmqi and highdicom all
convert with D65; only so do colours come back from them as they were."""

_KNEE = 6 / 29


def cielab(rgb: Vector) -> tuple[int, int, int]:
    """Convert sRGB (each 0 to 1) to Recommended Display CIELab Value: L*, a*, b* scaled to 16 bits."""
    channels = np.clip(np.asarray(rgb, float), 0.0, 1.0)
    linear = np.where(channels > 0.04045, ((channels + 0.055) / 1.055) ** 2.4, channels / 12.92)
    ratios = _XYZ_FROM_RGB @ linear / _WHITE
    x, y, z = np.where(ratios > _KNEE**3, np.cbrt(ratios), ratios / (3 * _KNEE**2) + 4 / 29)
    scaled = ((116 * y - 16) / 100, (500 * (x - y) + 128) / 255, (200 * (y - z) + 128) / 255)
    lightness, a, b = (int(v) for v in np.clip(np.rint(np.array(scaled) * 65535), 0, 65535))
    return lightness, a, b


def srgb(lab: Sequence[int]) -> Vector:
    """Convert a CIELab value of 16 bits to sRGB, each 0 to 1; what lies outside is clipped."""
    lightness, a, b = (float(v) / 65535 for v in lab)
    y = (lightness * 100 + 16) / 116
    roots = np.array([y + (a * 255 - 128) / 500, y, y - (b * 255 - 128) / 200])
    ratios = np.where(roots > _KNEE, roots**3, 3 * _KNEE**2 * (roots - 4 / 29))
    linear = np.clip(np.linalg.solve(_XYZ_FROM_RGB, ratios * _WHITE), 0.0, 1.0)
    channels = np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
    red, green, blue = (float(v) for v in channels)
    return red, green, blue
