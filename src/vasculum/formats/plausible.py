"""Judges whether a voxel size can be true: micrometres taken for millimetres, metres for millimetres."""

from __future__ import annotations

import re

import numpy as np

from vasculum.model.description import Finding
from vasculum.model.geometry import Geometry
from vasculum.model.kinds import Severity

LARGEST_EXTENT_MM = 3000.0
"""No scanner has a longer field of view."""

SMALLEST_VOXEL_MM = 1e-4
"""0.1 µm: finer than laboratory X-ray microscopes resolve."""

LARGEST_VOXEL_MM = {"CT": 30.0, "MR": 50.0, "PT": 50.0, "NM": 50.0}
"""Coarsest spacing between rows or columns that a modality records."""

LABEL_MAP_WORDS = {
    "label", "labels", "labelmap", "seg", "segmentation", "segmentations", "mask", "masks", "dseg", "parc", "roi", "aseg",
}  # fmt: skip
"""Words of file names by which label maps are told."""

SMALLEST_CLINICAL_VOXEL_MM = {"MR": 0.005, "PT": 0.05, "NM": 0.05}
"""Finest spacing of a modality of which no micrometre kind exists."""


def plausibility(geometry: Geometry | None, modality: str = "") -> Finding | None:
    """Say what is wrong with a voxel size, or None if it can be true.

    Parameters
    ----------
    geometry
        Grid in LPS millimetres; None has no size to judge.
    modality
        DICOM Modality code, or empty if unknown.

    Returns
    -------
    Finding or None
        Code ``implausible-voxel-size``; the text has the numbers and what is likely meant.
    """
    if geometry is None:
        return None
    sizes = geometry.shape[::-1]
    extents = [size * step for size, step in zip(sizes, geometry.spacing, strict=True)]
    extent, coarsest, finest = max(extents), max(geometry.spacing[:2]), min(geometry.spacing)
    many = max(sizes) > 1
    if many and extent > LARGEST_EXTENT_MM:
        reason = f"the volume would be {extent / 1000:.3g} m long"
        guess = "micrometres were probably taken for millimetres"
    elif many and coarsest > LARGEST_VOXEL_MM.get(modality, float("inf")):
        reason = f"a pixel would be {coarsest:.4g} mm wide"
        guess = "micrometres were probably taken for millimetres"
    elif finest < SMALLEST_VOXEL_MM or finest < SMALLEST_CLINICAL_VOXEL_MM.get(modality, 0.0):
        reason = f"a voxel would be {finest * 1000:.4g} µm wide"
        guess = "metres or centimetres were probably taken for millimetres"
    else:
        return None
    spacing = " × ".join(f"{step:.6g}" for step in geometry.spacing)
    return Finding(code="implausible-voxel-size", text=f"voxel size {spacing} mm: {reason}; {guess}")


def label_map_hint(name: str, dtype: str) -> Finding | None:
    """Note that a volume is probably a label map: by its name and the type of its numbers, without voxels."""
    words = set(re.split(r"[^a-z]+", name.lower()))
    if np.dtype(dtype).kind not in "iu" or not words & LABEL_MAP_WORDS:
        return None
    text = "by its name and type this may be a label map; it names no segments, so it is kept as a volume"
    return Finding(code="maybe-label-map", text=text, severity=Severity.NOTE)
