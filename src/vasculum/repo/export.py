"""Writing series into folders: as they came, or in the forms that analysis programs read."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vasculum.errors import Unsupported, VasculumError
from vasculum.model.geometry import Geometry
from vasculum.model.kinds import Kind
from vasculum.model.progress import Progress
from vasculum.model.query import Level, Query
from vasculum.model.records import Series
from vasculum.repo.views import SeriesView

if TYPE_CHECKING:
    from vasculum.repo.repository import Repository

FORMS = ("original", "nrrd", "nifti", "csv")

_COLUMNS = ("subject", "species", "strain", "kind", "modality", "label", "format", "study-date", "voxel", "uid", "id")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What was written."""

    written: tuple[str, ...]
    """Paths relative to the folder."""
    refused: tuple[tuple[str, str], ...]
    """(series id, reason)."""


def export(repository: Repository, query: str | Query, folder: Path, form: str, progress: Progress) -> ExportReport:
    """Write every series that the query finds; one that cannot be written is refused, and the rest goes on."""
    found: list[SeriesView] = repository.find(query)
    folder.mkdir(parents=True, exist_ok=True)
    if form == "csv":
        return _table(repository, found, folder)
    writer = {"original": _original, "nrrd": _nrrd, "nifti": _nifti}[form]
    names = _Places(folder)
    written: list[str] = []
    refused: list[tuple[str, str]] = []
    progress.start("Exporting", len(found))
    for series in found:
        try:
            written += writer(series, names)
        except (VasculumError, OSError) as error:
            refused.append((series.id, str(error)))
        progress.advance(1)
    progress.done()
    return ExportReport(written=tuple(written), refused=tuple(refused))


class _Places:
    """Gives every series a name of its own: ``<subject>/<label>``, safe on every system, unique without regard to case."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._taken: set[str] = set()

    def __call__(self, series: SeriesView) -> Path:
        from vasculum.bundle.layout import safe_name

        subject, label = safe_name(series.subject.label), safe_name(series.label)
        name, number = label, 1
        while f"{subject}/{name}".casefold() in self._taken:
            number += 1
            name = f"{label}_{number}"
        self._taken.add(f"{subject}/{name}".casefold())
        (self.folder / subject).mkdir(exist_ok=True)
        return self.folder / subject / name


def _original(series: SeriesView, place: _Places) -> list[str]:
    """Copy the imported files, bit for bit, under their own names; several files go into a folder of their own."""
    from vasculum.bundle.layout import safe_name

    base = place(series)
    target = base if len(series.files) > 1 else base.parent
    written = []
    for name, path in series.files.items():
        parts = [safe_name(p) for p in name.replace("\\", "/").split("/") if p not in ("", ".", "..")]
        copy = target.joinpath(*parts)
        if copy.exists():
            copy = copy.with_name(f"{series.id[:13]}-{copy.name}")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        written.append(copy.relative_to(place.folder).as_posix())
    return written


def _nrrd(series: SeriesView, place: _Places) -> list[str]:
    from vasculum.formats import nrrd, segnrrd

    if series.description.voxels is None:
        return _original(series, place)
    volume = series.volume()
    base = place(series)
    if series.kind is Kind.SEGMENTATION:
        target = base.with_name(base.name + ".seg.nrrd")
        segnrrd.write(target, volume.array, _placed(series), series.segments)
    else:
        target = base.with_name(base.name + ".nrrd")
        geometry = None if _is_picture(series) else _placed(series)
        nrrd.write(target, volume.array, geometry, axes=volume.axes, encoding="gzip")
    return [target.relative_to(place.folder).as_posix()]


def _nifti(series: SeriesView, place: _Places) -> list[str]:
    from vasculum.formats import nifti

    if series.description.voxels is None:
        return _original(series, place)
    volume = series.volume()
    if series.kind is Kind.SEGMENTATION and volume.array.ndim == 4:
        raise Unsupported(
            f"segments of series {series.id} overlap, and NIfTI has one label a voxel", hint="--as nrrd"
        )
    geometry = _placed(series)
    base = place(series)
    target = base.with_name(base.name + ".nii.gz")
    nifti.write(target, volume.array, geometry, axes=volume.axes)
    return [target.relative_to(place.folder).as_posix()]


def _is_picture(series: SeriesView) -> bool:
    """Tell a picture, which needs no size of its pixels, from a stack that lacks it."""
    return series.geometry is None and series.kind is Kind.IMAGE


def _placed(series: SeriesView) -> Geometry:
    """Give the one regular grid of a series; Unsupported where it has none."""
    if _is_picture(series):
        raise Unsupported(f"series {series.id} is a picture without a place in space", hint="--as nrrd or original")
    if series.geometry is None:
        raise Unsupported(
            f"series {series.id} has no voxel size",
            hint=f"vasculum set {series.id} voxel-size=0.05mm, or --as original",
        )
    if not series.geometry.regular:
        raise Unsupported(
            f"series {series.id} is not one regular grid: {series.geometry.irregular}", hint="--as original"
        )
    return series.geometry


def _table(repository: Repository, found: list[SeriesView], folder: Path) -> ExportReport:
    """Write one CSV with a row a series: what everybody wants, then every metadata field of the subjects."""
    from vasculum.formats.table import write_rows

    records: list[Series] = [s.record for s in found]
    metadata: dict[str, None] = {}
    subjects = {s.record.subject: s.subject for s in found}
    for subject in subjects.values():
        metadata |= dict.fromkeys(subject.metadata)
    columns = repository.columns(Level.SERIES, [r.id for r in records], _COLUMNS)
    rows = []
    for record, values in zip(records, columns, strict=True):
        row = {name: "; ".join(map(str, values.get(name, []))) for name in _COLUMNS}
        own = subjects[record.subject].metadata
        row |= {key: str(own.get(key, "")) for key in metadata if not row.get(key)}
        row |= {"file": "; ".join(f.source for f in repository.catalog.series(record.id).files[:1])}
        rows.append(row)
    target = folder / "series.csv"
    write_rows(target, rows)
    return ExportReport(written=(target.name,), refused=())
