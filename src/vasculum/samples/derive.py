"""What the demo makes from the head CT: a segmentation of the bone, and landmarks at its extremes.

It stands for the work that people do by hand in Slicer, and shows how a script files its results.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vasculum.formats import markups, segnrrd
from vasculum.model.codes import Code
from vasculum.model.description import Landmark, Segment
from vasculum.model.geometry import Geometry
from vasculum.model.voxels import Volume

BONE_ABOVE = 1324
"""Values of the sample are Hounsfield units plus 1024: this is 300 HU."""

BONE = Segment(
    number=1,
    name="bone",
    label_value=1,
    color=(0.945, 0.839, 0.569),
    category=Code("91723000", "SCT", "Anatomical Structure"),
    type=Code("272673000", "SCT", "Bone"),
)

EXTREMES = (("right", 0, min), ("left", 0, max), ("anterior", 1, min), ("posterior", 1, max), ("superior", 2, max))
"""Name of a landmark, the LPS axis, and which end of it. The inferior end is where the scan was cut."""


def derive_bone(volume: Volume, folder: Path, name: str) -> tuple[Path, Path]:
    """Write ``<name>-bone.seg.nrrd`` and ``<name>-bone.mrk.json`` beside a head CT.

    Parameters
    ----------
    volume
        Head CT, array (k, j, i).
    folder, name
        Where to write, and how the file names begin.

    Returns
    -------
    tuple of Path
        The segmentation and the landmarks.
    """
    assert volume.geometry is not None
    bone = np.asarray(volume.array) > BONE_ABOVE
    segmentation, landmarks = folder / f"{name}-bone.seg.nrrd", folder / f"{name}-bone.mrk.json"
    segnrrd.write(segmentation, bone.astype("u1"), volume.geometry, (BONE,))
    markups.write_json(landmarks, extremes(bone, volume.geometry), f"{name}-bone")
    return segmentation, landmarks


def extremes(mask: NDArray[Any], geometry: Geometry) -> tuple[Landmark, ...]:
    """Find the outermost voxels of a mask (k, j, i) along the LPS axes, in LPS millimetres."""
    k, j, i = np.nonzero(mask)
    points = (np.stack([i, j, k, np.ones_like(i)], axis=1) @ geometry.affine.T)[:, :3]
    found = []
    for number, (label, axis, end) in enumerate(EXTREMES, 1):
        x, y, z = points[np.argmin(points[:, axis]) if end is min else np.argmax(points[:, axis])]
        found.append(
            Landmark(
                label=label, position=(float(x), float(y), float(z)), id=str(number), description=f"most {label}"
            )
        )
    return tuple(found)
