"""Where voxels lie: DICOM patient space (LPS), millimetres."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Vector = tuple[float, float, float]

SPACING_TOLERANCE = 1e-2
"""Slice steps that differ by less than this share of their median count as equal."""

AFFINE_TOLERANCE_MM = 1e-3
"""Two grids are the same where no corner voxel is farther apart than this (less for voxels under 10 µm)."""

RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Turns LPS (DICOM, NRRD, ITK) into RAS (NIfTI, Slicer), and back: it is its own inverse."""


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """A voxel grid in space.

    Index ``(i, j, k)`` (column, row, slice; the array is indexed ``[k, j, i]``) lies at
    ``origin + i * spacing[0] * direction[:, 0] + j * spacing[1] * direction[:, 1] + ...`` in LPS millimetres.
    """

    shape: tuple[int, int, int]
    """Voxels along ``(k, j, i)``: slices, rows, columns; the shape of the numpy array."""
    spacing: Vector
    """Millimetres between voxel centres along ``(i, j, k)``: the order of the columns of the affine."""
    origin: Vector
    """LPS millimetres of the centre of voxel (0, 0, 0)."""
    direction: tuple[Vector, Vector, Vector]
    """Rows of a 3×3 matrix whose columns are the LPS unit vectors of i, j and k."""
    frame_of_reference: str = ""
    """Frame of Reference UID, or empty."""
    irregular: str = ""
    """Why this is not one regular grid, in words; empty if it is."""

    @property
    def regular(self) -> bool:
        """True where every voxel lies on the grid that the affine describes."""
        return not self.irregular

    @cached_property
    def affine(self) -> NDArray[np.float64]:
        """4×4 matrix from (i, j, k, 1) to LPS millimetres."""
        matrix = np.eye(4)
        matrix[:3, :3] = np.asarray(self.direction) * np.asarray(self.spacing)
        matrix[:3, 3] = self.origin
        return matrix

    @classmethod
    def from_affine(
        cls,
        affine: NDArray[np.float64],
        shape: tuple[int, int, int],
        *,
        frame_of_reference: str = "",
        irregular: str = "",
    ) -> Geometry:
        """Make a geometry from a 4×4 (i, j, k) → LPS matrix and a (k, j, i) shape.

        A sheared matrix (gantry tilt) is kept as it is: `direction` need not be orthogonal.

        Raises
        ------
        ValueError
            If a number is not finite, an axis has no length, or the axes do not span space.
        """
        matrix = np.asarray(affine, float)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
            raise ValueError("the affine has values that are not finite numbers")
        with np.errstate(over="ignore"):
            spacing = np.linalg.norm(matrix[:3, :3], axis=0)
        if not np.isfinite(spacing).all():
            raise ValueError("the affine has values that are beyond all lengths")
        if (spacing <= 0).any() or min(shape) < 1:
            raise ValueError("the affine or the shape has an axis of no length")
        direction = matrix[:3, :3] / spacing
        if abs(np.linalg.det(direction)) < 1e-6:
            raise ValueError("two axes of the affine point the same way")
        rows = tuple((float(r[0]), float(r[1]), float(r[2])) for r in direction)
        return cls(
            shape=(int(shape[0]), int(shape[1]), int(shape[2])),
            spacing=(float(spacing[0]), float(spacing[1]), float(spacing[2])),
            origin=(float(matrix[0, 3]), float(matrix[1, 3]), float(matrix[2, 3])),
            direction=(rows[0], rows[1], rows[2]),
            frame_of_reference=frame_of_reference,
            irregular=irregular,
        )

    @property
    def right_handed(self) -> bool:
        """True where i × j points along k."""
        return bool(np.linalg.det(np.asarray(self.direction)) > 0)

    def corners(self) -> NDArray[np.float64]:
        """LPS millimetres of the centres of the eight corner voxels, shape (8, 3)."""
        k, j, i = self.shape
        index = np.array([[a, b, c, 1] for a in (0, i - 1) for b in (0, j - 1) for c in (0, k - 1)], float)
        return np.asarray((index @ self.affine.T)[:, :3])

    @property
    def tolerance_mm(self) -> float:
        """How far apart corner voxels of an equal grid may be: 1 µm, but not above a tenth of a voxel, and not below
        what headers of 32-bit numbers (NIfTI) can say."""
        float32_noise = 4 * float(np.finfo(np.float32).eps) * float(np.abs(self.corners()).max())
        return max(min(AFFINE_TOLERANCE_MM, min(self.spacing) / 10), float32_noise)

    def same_grid(self, other: Geometry, tolerance_mm: float | None = None) -> bool:
        """True where both have the same shape and no corner differs by more than the tolerance."""
        if self.shape != other.shape:
            return False
        limit = self.tolerance_mm if tolerance_mm is None else tolerance_mm
        return bool(np.abs(self.corners() - other.corners()).max() <= limit)

    def same_space(self, other: Geometry, tolerance_mm: float | None = None) -> bool:
        """True where the two grids fill the same place in any axis order or direction (a flip, a re-save)."""
        if sorted(self.shape) != sorted(other.shape):
            return False
        limit = self.tolerance_mm if tolerance_mm is None else tolerance_mm
        apart = np.abs(self.corners()[:, np.newaxis] - other.corners()[np.newaxis]).max(axis=2)
        return bool(apart.min(axis=0).max() <= limit and apart.min(axis=1).max() <= limit)
