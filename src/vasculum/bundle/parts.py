"""Objects of an open bundle: volumes, segmentations, landmarks, meshes, tables."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vasculum.errors import NotFound, VasculumError
from vasculum.formats.base import Locate
from vasculum.model.description import Description, Landmark, Segment
from vasculum.model.geometry import Geometry

from .marks import MARK_PREFIX
from .mirror import Mirror


class BundlePart:
    """An object of the scene and the member that holds it.

    Parameters
    ----------
    mirror
        Where its member is read.
    name
        Of the node.
    member
        Name inside the container.
    attributes
        Of the node; ours begin with ``vasculum.``.
    """

    def __init__(self, mirror: Mirror, name: str, member: str, attributes: Mapping[str, str]) -> None:
        self._mirror = mirror
        self.name = name
        self.member = member
        self.attributes = attributes

    @cached_property
    def _described(self) -> tuple[Description, Locate]:
        return self._mirror.describe(self.member)

    @property
    def description(self) -> Description:
        """What the member holds."""
        return self._described[0]

    @property
    def series(self) -> str:
        """Id of the series that it was packed from; empty in a scene that is not ours."""
        return self.attributes.get(f"{MARK_PREFIX}series", "")

    @property
    def content(self) -> bytes:
        """The bytes of the member, checked by its CRC."""
        return self._mirror.reader.read(self.member)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def _rows(self) -> Iterator[tuple[str, str]]:
        yield "member", self.member

    def picture(self) -> bytes | None:
        """Give a PNG of it; None where there is nothing to draw."""
        return None

    def _repr_html_(self) -> str:
        """A small table, and a picture where there is one."""
        return html_table(self.name, self._rows(), self.picture())


class BundleVolume(BundlePart):
    """Voxels with their place in space."""

    @cached_property
    def array(self) -> NDArray[Any]:
        """Values, axes as in `axes`; a read-only memory map into the file where the voxels lie there as they are."""
        return self._mirror.read(*self._described)

    @property
    def axes(self) -> str:
        """``kji``, ``tkji``, ``kjic`` or ``tkjic``: time, slice, row, column, component."""
        return self.description.voxels.axes if self.description.voxels else ""

    @property
    def geometry(self) -> Geometry | None:
        """LPS millimetres; None where the file does not say how large a voxel is."""
        return self.description.geometry

    def _rows(self) -> Iterator[tuple[str, str]]:
        voxels, geometry = self.description.voxels, self.geometry
        if voxels:
            yield "shape", f"{' × '.join(map(str, voxels.sizes))} ({voxels.axes})"
            yield "type", np.dtype(voxels.dtype).name
        if geometry:
            yield "voxel", " × ".join(f"{size:.4g}" for size in geometry.spacing) + " mm"
        yield from super()._rows()

    def picture(self) -> bytes | None:
        """Give the middle slice as PNG; None where it cannot be read."""
        from vasculum.formats.picture import mid_slice_png

        try:
            return mid_slice_png(self.array, self.geometry, axes=self.axes)
        except (VasculumError, OSError, ValueError):
            return None


class BundleSegmentation(BundleVolume):
    """A label map with named segments; layers (axis t) where segments overlap."""

    @property
    def segments(self) -> tuple[Segment, ...]:
        """In the order of the file."""
        return self.description.segments

    def mask(self, segment: str) -> NDArray[np.bool_]:
        """Give where a segment is.

        Parameters
        ----------
        segment
            Its name, or its id.

        Returns
        -------
        ndarray
            Shape (k, j, i), bool.

        Raises
        ------
        NotFound
            There is no such segment.
        """
        found = [s for s in self.segments if s.name == segment] or [s for s in self.segments if s.id == segment]
        if not found:
            names = ", ".join(repr(s.name) for s in self.segments[:12])
            raise NotFound(f"there is no segment {segment!r} in {self.name!r}", hint=f"there are {names}")
        layer = self.array[found[0].layer] if "t" in self.axes else self.array
        return np.asarray(layer == found[0].label_value)

    def _rows(self) -> Iterator[tuple[str, str]]:
        yield "segments", ", ".join(segment.name for segment in self.segments)
        yield from super()._rows()


class BundleLandmarks(BundlePart):
    """Named points."""

    @property
    def landmarks(self) -> tuple[Landmark, ...]:
        """All points, in order."""
        return self.description.landmarks

    @property
    def positions(self) -> NDArray[np.float64]:
        """LPS millimetres, shape (n, 3); NaN for a point that is not placed."""
        rows = [m.position if m.defined else (np.nan, np.nan, np.nan) for m in self.landmarks]
        return np.array(rows, np.float64).reshape(-1, 3)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the points, in order."""
        return tuple(landmark.label for landmark in self.landmarks)

    def _rows(self) -> Iterator[tuple[str, str]]:
        yield "points", str(len(self.landmarks))
        yield from super()._rows()


class BundleMesh(BundlePart):
    """A surface."""

    @cached_property
    def surface(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Vertices, shape (n, 3), millimetres as in the file; triangles, shape (m, 3)."""
        from vasculum.formats import mesh

        return mesh.read(self._mirror.path(self.member))


class BundleTable(BundlePart):
    """A table of exact strings."""

    @cached_property
    def rows(self) -> list[dict[str, str]]:
        """One mapping a row, by column name."""
        from vasculum.formats import table

        return table.read_rows(self._mirror.path(self.member))

    def _rows(self) -> Iterator[tuple[str, str]]:
        yield "rows", str(len(self.rows))
        yield from super()._rows()


def html_table(title: str, rows: Iterator[tuple[str, str]], picture: bytes | None) -> str:
    """Give rows as an HTML table, everything escaped, with a PNG beside."""
    cells = "".join(f"<tr><th>{html.escape(a)}</th><td>{html.escape(b)}</td></tr>" for a, b in rows)
    image = f'<img alt="" src="data:image/png;base64,{base64.b64encode(picture).decode()}">' if picture else ""
    return f"<div><strong>{html.escape(title)}</strong><table>{cells}</table>{image}</div>"
