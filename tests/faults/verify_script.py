"""What must hold after any fault: ``verify_script.py STORE [ACKS]``; prints what does not.

- The repository opens, the database and the audit chain are sound.
- Every blob that the catalogue knows is there with its bytes, and so is everything that was acknowledged.
- Nothing half-written lies under a final name.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from vasculum.errors import NotFound
from vasculum.repo.repository import Repository, open_repository


def main(store: Path, acks: Path | None) -> list[str]:
    acknowledged = set()
    if acks is not None and acks.exists():
        lines = [line.split() for line in acks.read_text().splitlines()]
        acknowledged = {line[1] for line in lines if len(line) == 2 and line[0] == "ACK" and len(line[1]) == 64}
    try:
        repository = open_repository(store)
    except NotFound:
        return ["no repository, but files were acknowledged"] if acknowledged else []
    with repository:
        return _faults(repository, acknowledged)


def _faults(repository: Repository, acknowledged: set[str]) -> list[str]:
    report = repository.check()
    faults = [damage.reason for damage in report.damaged]
    if report.catalogue:
        faults.append(report.catalogue)
    known = {blob.sha256 for blob in repository.catalog.blobs()}
    faults += [f"acknowledged but not recorded: {sha256[:8]}" for sha256 in acknowledged - known]
    for path in (repository.root / "objects").glob("??/*"):
        if hashlib.sha256(path.read_bytes()).hexdigest() != path.parent.name + path.name:
            faults.append(f"torn: {path.name[:8]}")
    return faults


if __name__ == "__main__":
    found = main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
    print(found)
    raise SystemExit(bool(found))
