"""Series as people use them: a record with its voxels, its subject and its files at hand (DESIGN 6.2)."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vasculum.errors import Unsupported
from vasculum.model.description import Description, Finding, Landmark, Segment
from vasculum.model.geometry import Geometry
from vasculum.model.kinds import Kind
from vasculum.model.records import Series, Study, Subject
from vasculum.model.voxels import Volume

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vasculum.repo.repository import Repository


class Found(list["SeriesView"]):
    """What a search found: a list of series that shows itself as a table in a notebook."""

    def _repr_html_(self) -> str:
        head = "".join(
            f"<th>{name}</th>" for name in ("subject", "kind", "modality", "label", "shape (k, j, i)", "id")
        )
        rows = "".join(
            f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in one.cells())}</tr>" for one in self[:50]
        )
        rest = f"<p>… and {len(self) - 50} more</p>" if len(self) > 50 else ""
        return f"<table><tr>{head}</tr>{rows}</table>{rest}"


class SeriesView:
    """One series of a repository. What the catalogue knows is there at once; files and voxels are read when asked for."""

    def __init__(self, repository: Repository, record: Series) -> None:
        self._repository = repository
        self.record = record

    # --- what the catalogue knows --------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """UUIDv7 of this series."""
        return self.record.id

    @property
    def uid(self) -> str:
        """Series Instance UID."""
        return self.record.uid

    @property
    def kind(self) -> Kind:
        """What it holds."""
        return self.record.kind

    @property
    def label(self) -> str:
        """A short name."""
        return self.record.label

    @property
    def modality(self) -> str:
        """DICOM Modality, or empty."""
        return self.record.modality

    @property
    def geometry(self) -> Geometry | None:
        """LPS millimetres; None where the voxel size is not known or there is no grid."""
        return self.record.geometry

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Segments of a segmentation."""
        return self.record.segments

    @property
    def landmarks(self) -> tuple[Landmark, ...]:
        """Landmarks, LPS millimetres."""
        return self.record.landmarks

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is worth knowing about it."""
        return self.record.findings

    @cached_property
    def subject(self) -> Subject:
        """Whose it is; ``series.subject["strain"]`` gives a metadata field."""
        return self._repository.catalog.subject(self.record.subject)

    @cached_property
    def study(self) -> Study:
        """The study that it belongs to."""
        return self._repository.catalog.study(self.record.study)

    @cached_property
    def description(self) -> Description:
        """How its files hold it."""
        return self._repository.catalog.description(self.record.id)

    @cached_property
    def header(self) -> Mapping[str, Any]:
        """The DICOM header as JSON (PS3.18 annex F): the elements that all instances share. Empty for other formats."""
        return self._repository.catalog.header(self.record.id)

    # --- bytes ---------------------------------------------------------------------------------------------------

    @cached_property
    def files(self) -> dict[str, Path]:
        """Part name → a local path with exactly the imported bytes, verified by digest. Not to be written to."""
        store = self._repository.store
        return {f.name: store.path(f.blob) for f in self._repository.catalog.series(self.record.id).files}

    def voxels(self) -> NDArray[Any]:
        """Give the values after rescale, axes as in ``description.voxels.axes``; a read-only memory map where possible.

        Raises
        ------
        Unsupported
            This series holds no voxels.
        Unreadable, Integrity
            The stored bytes cannot be read, or are not what was stored.
        """
        from vasculum.formats.registry import format_named

        description = self.description
        if description.voxels is None:
            raise Unsupported(f"series {self.id} holds no voxels", hint=f"it is a {self.kind}")
        return format_named(description.format).read_voxels(description, self.files.__getitem__)  # type: ignore[attr-defined, no-any-return]

    def volume(self) -> Volume:
        """Give the voxels with their place in space. Raises as `voxels`."""
        array = self.voxels()
        voxels = self.description.voxels
        assert voxels is not None
        return Volume(array=array, axes=voxels.axes, geometry=self.geometry, name=self.label, unit=voxels.unit)

    def mask(self, name: str) -> NDArray[Any]:
        """Give one segment as a boolean array (k, j, i).

        Raises
        ------
        KeyError
            There is no segment of that name.
        """
        segment = {s.name: s for s in self.segments}[name]
        array = self.voxels()
        layer = array[segment.layer] if array.ndim == 4 else array
        return layer == segment.label_value  # type: ignore[no-any-return]

    # --- for notebooks -------------------------------------------------------------------------------------------

    def cells(self) -> tuple[str, ...]:
        """Give what a line of a table says: subject, kind, modality, label, shape, id."""
        shape = " × ".join(map(str, self.geometry.shape)) if self.geometry else ""
        return self.subject.label, str(self.kind), self.modality, self.label, shape, self.id

    def __repr__(self) -> str:
        return f"<{self.kind} {self.label!r} of {self.record.subject[:8]}, series {self.id}>"

    def _repr_html_(self) -> str:
        rows = {
            "subject": self.subject.label,
            "kind": str(self.kind),
            "modality": self.modality,
            "format": self.record.format,
            "segments": ", ".join(s.name for s in self.segments[:8]),
            "landmarks": str(len(self.landmarks) or ""),
        }
        if self.geometry is not None:
            rows["voxels (k, j, i)"] = " × ".join(map(str, self.geometry.shape))
            rows["spacing (i, j, k), mm"] = " × ".join(f"{s:.4g}" for s in self.geometry.spacing)
        cells = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>" for k, v in rows.items() if v)
        return f"<b>{html.escape(self.label)}</b><table>{cells}</table>{self._picture()}"

    def _picture(self) -> str:
        from vasculum.formats.picture import mid_slice_png

        if self.kind not in (Kind.VOLUME, Kind.SEGMENTATION) or self.description.voxels is None:
            return ""
        png = mid_slice_png(self.voxels(), self.geometry)
        return f'<img alt="middle slice" src="data:image/png;base64,{base64.b64encode(png).decode()}">'
