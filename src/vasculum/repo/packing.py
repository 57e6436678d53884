"""Gathering what the bundle writer needs from the catalogue and the store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vasculum.bundle.pack import Item, PackReport
from vasculum.bundle.pack import pack as pack_bundle
from vasculum.errors import NotFound, Unsupported
from vasculum.model.kinds import Kind
from vasculum.model.progress import Progress
from vasculum.model.query import Level
from vasculum.model.records import Series, Study, Subject
from vasculum.repo.views import SeriesView

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vasculum.repo.repository import Repository

_CLASSIC = frozenset({"CT", "MR", "PT"})


def pack(repository: Repository, what: str, output: Path, *, with_originals: bool, progress: Progress) -> PackReport:
    """Pack one subject; see `Repository.pack`."""
    subject = _one_subject(repository, what)
    catalog = repository.catalog
    studies = [s for s in catalog.children(Level.SUBJECT, subject.id) if isinstance(s, Study)]
    series = [s for study in studies for s in catalog.children(Level.STUDY, study.id) if isinstance(s, Series)]
    items = [_item(SeriesView(repository, catalog.series(s.id))) for s in series]
    activities = [catalog.activity(a) for a in dict.fromkeys(s.activity for s in series if s.activity)]
    report = pack_bundle(
        output,
        subject=subject,
        studies=studies,
        items=items,
        when=datetime.now(UTC),
        software=f"vasculum {version('vasculum')}",
        activities=activities,
        with_originals=with_originals,
        progress=_Steps(progress),
    )
    with catalog.transaction() as writer:
        writer.audit(action="R", event="Data Export", agent="vasculum", objects=(subject.id,), time=datetime.now(UTC))
    return report


def _one_subject(repository: Repository, what: str) -> Subject:
    catalog = repository.catalog
    try:
        level, found = catalog.resolve(what)
    except NotFound:
        subjects = catalog.find(what, level=Level.SUBJECT, limit=2)
        if not subjects:
            raise
        if len(subjects) > 1:
            raise Unsupported(
                f"{catalog.count(what, level=Level.SUBJECT)} subjects fit", hint="name one subject by its label or id"
            ) from None
        assert isinstance(subjects[0], Subject)
        return subjects[0]
    if level is Level.SUBJECT:
        return catalog.subject(found)
    return catalog.subject(catalog.study(found).subject if level is Level.STUDY else catalog.series(found).subject)


def _item(series: SeriesView) -> Item:
    description = series.description
    classic = description.dicom is not None and series.kind is Kind.VOLUME and series.modality in _CLASSIC
    return Item(
        series=series.record,
        description=description,
        voxels=_reader(series) if description.voxels is not None else None,
        locate=lambda name: series.files[name],
        headers=series._repository.catalog.instance_headers(series.id)
        if classic and len(description.parts) > 1
        else (),
        sources=series.record.sources,
    )


def _reader(series: SeriesView) -> Callable[[], NDArray[Any]]:
    return series.voxels


class _Steps:
    """Tells the steps of the bundle writer to a progress bar."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._last = -1

    def __call__(self, done: int, total: int, what: str) -> None:  # noqa: ARG002 - the bundle's call
        if self._last < 0:
            self._progress.start("Packing", total)
            self._last = 0
        self._progress.advance(done - self._last)
        self._last = done
        if done >= total:
            self._progress.done()
