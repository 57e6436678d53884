"""Voxel sizes that cannot be."""

from __future__ import annotations

import numpy as np
import pytest

from vasculum.formats.plausible import label_map_hint, plausibility
from vasculum.model.geometry import Geometry


@pytest.mark.parametrize(
    ("spacing", "shape", "modality", "guess"),
    [
        ((0.5, 0.5, 1.0), (200, 512, 512), "CT", ""),
        ((0.018, 0.018, 0.018), (900, 900, 900), "CT", ""),
        ((0.0005, 0.0005, 0.0005), (900, 900, 900), "", ""),
        ((4.0, 4.0, 4.0), (150, 200, 200), "PT", ""),
        ((18.0, 18.0, 18.0), (900, 900, 900), "CT", "micrometres"),
        ((35.0, 35.0, 35.0), (40, 40, 40), "CT", "micrometres"),
        ((5e-5, 5e-5, 5e-5), (900, 900, 900), "", "metres"),
        ((0.0005, 0.0005, 0.001), (200, 512, 512), "MR", "metres"),
    ],
)
def test_plausibility(
    spacing: tuple[float, float, float], shape: tuple[int, int, int], modality: str, guess: str
) -> None:
    finding = plausibility(Geometry.from_affine(np.diag([*spacing, 1.0]), shape), modality)
    if not guess:
        assert finding is None
        return
    assert finding is not None
    assert finding.code == "implausible-voxel-size"
    assert f"; {guess}" in finding.text
    assert f"{spacing[0]:g} × " in finding.text


def test_without_geometry_there_is_nothing_to_judge() -> None:
    assert plausibility(None) is None


@pytest.mark.parametrize(
    ("name", "dtype", "suspected"),
    [
        ("brain_label.nrrd", "<i2", True),
        ("sub-1_dseg.nii.gz", "|u1", True),
        ("liver_seg.nrrd", "<i4", True),
        ("ROI-3.nii", "|u1", True),
        ("brain_label.nrrd", "<f4", False),
        ("unlabelled.nrrd", "<i2", False),
        ("segovia.nrrd", "|u1", False),
    ],
)
def test_label_maps_by_name(name: str, dtype: str, suspected: bool) -> None:
    assert (label_map_hint(name, dtype) is not None) == suspected
