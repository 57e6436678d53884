"""What the repository has already of the files that were met."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from vasculum.model.description import Description
from vasculum.model.progress import Silent
from vasculum.repo.examine import Held, Laboratory
from vasculum.repo.scan import Met

if TYPE_CHECKING:
    from vasculum.catalog import Catalog
    from vasculum.store.base import BlobStore


class Known:
    """Compares files with the catalogue."""

    def __init__(self, catalog: Catalog, store: BlobStore) -> None:
        self._catalog = catalog
        self._store = store

    def split(self, met: Sequence[Met]) -> tuple[list[Met], dict[str, str]]:
        """Part the files that have to be read from those that were imported before and have not changed since.

        A folder is taken as a whole: where one of its files is new, all are read, for they may belong together.

        Returns
        -------
        fresh, untouched
            Files to read; path → series id of the rest.
        """
        earlier = self._catalog.sources({m.path for m in met})
        seen = {path: sha256 for path, (*was, sha256) in earlier.items() if _state(path) == tuple(was)}
        holders = self._catalog.series_with_blobs(set(seen.values()))
        here = {path: holders[sha256][0] for path, sha256 in seen.items() if sha256 in holders}
        new_folders = {os.path.dirname(m.path) for m in met if m.path not in seen}
        fresh = [m for m in met if m.path not in here or os.path.dirname(m.path) in new_folders]
        fresh_paths = {m.path for m in fresh}
        return fresh, {p: s for p, s in here.items() if p not in fresh_paths}

    def companions(self, held: Sequence[Held], laboratory: Laboratory) -> list[Held]:
        """Give the stored files of DICOM series that are about to grow, so that the series is sorted as a whole."""
        coming: dict[str, set[str]] = defaultdict(set)
        for one in held:
            if one.dicom is not None:
                coming[one.dicom.series_instance_uid].add(one.found.sha256)
        stored: list[Held] = []
        for uid, shas in coming.items():
            series = [self._catalog.series(s) for s in self._catalog.series_by_uid(uid)] if uid else []
            files = [f for s in series if s.format == "dicom" for f in s.files]
            have = {f.blob.sha256 for f in files}
            if not have or shas <= have:
                continue
            missing = [f for f in files if f.blob.sha256 not in shas]
            paths = [str(self._store.path(f.blob)) for f in missing]
            for file, one in zip(missing, laboratory.examine([Met(p, p) for p in paths], Silent()), strict=True):
                found = replace(one.found, path=file.source or file.name)
                stored.append(replace(one, found=found, root=os.path.dirname(found.path)))
        return stored

    def match(self, description: Description, shas: Sequence[str]) -> tuple[str, bool, bool]:
        """Find the series that these files are, or complete.

        Returns
        -------
        existing, whole, conflict
            Its id or empty; True where it has every byte; True where a SOP Instance UID is here with other bytes.
        """
        holders = Counter(s for ids in self._catalog.series_with_blobs(set(shas)).values() for s in ids)
        for series_id, count in holders.items():
            if count == len(set(shas)):
                return series_id, True, False
        if not description.instances:
            return "", False, False
        here = self._catalog.known_instances(
            {i.sop_instance_uid for i in description.instances if i.sop_instance_uid}
        )
        same = Counter(s for versions in here.values() for s, sha, _ in versions if sha in set(shas))
        conflict = any(
            all(sha != ours for _, sha, _ in here.get(i.sop_instance_uid, []))
            for i, ours in zip(description.instances, shas, strict=False)
            if here.get(i.sop_instance_uid)
        )
        return (same.most_common(1)[0][0] if same else ""), False, conflict


def _state(path: str) -> tuple[int, int]:
    """Give the size and the modification time (ns) of a file; (-1, 0) where it is gone."""
    try:
        status = os.stat(path)
    except OSError:
        return -1, 0
    return status.st_size, status.st_mtime_ns
