"""Verifying a repository: every byte, the catalogue, the audit chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vasculum.model.progress import Progress

if TYPE_CHECKING:
    from vasculum.catalog import Catalog
    from vasculum.store.base import BlobStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """A blob that is not what was stored."""

    sha256: str
    reason: str
    series: tuple[str, ...]
    """Ids of the series that need it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What a full check found."""

    checked: int
    bytes: int
    damaged: tuple[Damage, ...]
    unreferenced: int
    """Objects that no series needs: left by an import that was killed; harmless."""
    catalogue: str
    """What is wrong with the database or the audit chain; empty if sound."""

    @property
    def sound(self) -> bool:
        """True where nothing is wrong."""
        return not self.damaged and not self.catalogue


def check_everything(catalog: Catalog, store: BlobStore, progress: Progress) -> CheckReport:
    """Read every byte that the catalogue knows."""
    blobs = list(catalog.blobs())
    damaged = []
    progress.start("Checking", len(blobs))
    for blob in blobs:
        reason = store.check(blob)
        if reason:
            damaged.append(
                Damage(sha256=blob.sha256, reason=reason, series=tuple(catalog.series_with_blob(blob.sha256)))
            )
        progress.advance(1)
    progress.done()
    known = {b.sha256 for b in blobs}
    return CheckReport(
        checked=len(blobs),
        bytes=sum(b.size for b in blobs),
        damaged=tuple(damaged),
        unreferenced=sum(1 for _ in store.sweep(known.__contains__)),
        catalogue=catalog.check() or catalog.verify_audit(),
    )
