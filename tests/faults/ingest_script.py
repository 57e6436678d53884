"""The whole import, for fault tools: ``ingest_script.py STORE SRC``.

Makes a repository at STORE where there is none, imports SRC in small batches, and prints ``ACK <sha256>`` for every
file whose batch was committed: from then on it must survive anything. Files are read in this process and written by
one thread, so that a log of its system calls is whole and in order (child processes have descriptors of their own,
and touch nothing of the store).
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from vasculum.errors import VasculumError
from vasculum.formats import child, worker
from vasculum.repo import execute
from vasculum.repo.repository import REPOSITORY_MARK, Repository, init_repository, open_repository
from vasculum.store import local

execute.BATCH_FILES = 4
local._THREADS = 1
child.Child.run = lambda _, jobs: [worker._answer(job) for job in jobs]  # type: ignore[method-assign]


class Acknowledged:
    """Progress that prints what is recorded, after each batch."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._told: set[str] = set()

    def start(self, title: str, total: int | None = None) -> None: ...

    def advance(self, n: int = 1) -> None:
        for blob in self._repository.catalog.blobs():
            if blob.sha256 not in self._told:
                self._told.add(blob.sha256)
                with contextlib.suppress(OSError):  # the fault struck the pipe, not the disk
                    print("ACK", blob.sha256, flush=True)

    def done(self) -> None: ...


def main(store: Path, source: Path) -> int:
    there = (store / REPOSITORY_MARK).exists()
    with open_repository(store) if there else init_repository(store) as repository:
        plan = repository.plan_import([source], workers=1)
        report = repository.execute(plan, progress=Acknowledged(repository))
    refused = [one for one in report.files if one.outcome == "refused"]
    for one in refused:
        print(Path(one.path).name, one.reason, file=sys.stderr)
    return int(bool(refused))


if __name__ == "__main__":
    try:
        raise SystemExit(main(Path(sys.argv[1]), Path(sys.argv[2])))
    except VasculumError as error:
        raise SystemExit(f"{error.kind}: {error}") from None
