"""Memory that importing and packing of large volumes takes: it must not grow with the volume.

    python -m benchmarks.memory [--megabytes 2000] [--only nrrd nifti nifti.gz dicom] [--limit 600]

For each kind: a volume of int16 with noise is made, imported into a new repository, and packed, each in a process of its
own. The table gives the peak of resident memory of that process, of its largest child, and of all together at one time,
above a bare interpreter. Pages of mapped files count as resident while they are mapped. Exits with 1 above the limit.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from benchmarks.corpus import write_corpus
from benchmarks.measuring import Measured, header, interpreter, measured, megabytes, settle, table, work_folder
from benchmarks.volumes import write_nifti, write_nrrd

KINDS = ("nrrd", "nifti", "nifti.gz", "dicom")
EDGE = 1024
"""Rows and columns of the volumes."""


def make(kind: str, size: int, folder: Path) -> Path:
    """Make a volume of about `size` bytes: one file, or a folder of single slices."""
    depth = max(2, size // (2 * EDGE * EDGE))
    source = folder / "source"
    source.mkdir(parents=True)
    if kind == "dicom":
        write_corpus(source, series=1, slices=depth, size=EDGE)
    elif kind == "nrrd":
        write_nrrd(source / "volume.nrrd", (depth, EDGE, EDGE))
    else:
        write_nifti(source / ("volume.nii.gz" if kind.endswith("gz") else "volume.nii"), (depth, EDGE, EDGE))
    return source


def import_volume(source: Path, repository: Path) -> dict[str, float]:
    """Import into a new repository."""
    from vasculum.repo.repository import init_repository

    start = time.perf_counter()
    with init_repository(repository) as repo:
        report = repo.execute(repo.plan_import([source]))
        if repo.count("kind:volume") != 1:
            raise SystemExit(f"not one volume: {[f.reason for f in report.files if f.reason][:3]}")
    return {"seconds": time.perf_counter() - start}


def pack(repository: Path, output: Path) -> dict[str, float]:
    """Pack the only subject."""
    from vasculum.repo.repository import open_repository

    start = time.perf_counter()
    with open_repository(repository) as repo:
        repo.pack(repo.find("", level="subject")[0].label, output)
    return {"seconds": time.perf_counter() - start}


def row(name: str, size: int, own: int, done: Measured) -> tuple[str, ...]:
    """Make a row of the table."""
    above = [megabytes(max(0, peak - own)) for peak in (done.parent, done.child, done.together)]
    return (name, megabytes(size), f"{done.said['seconds']:.1f}", *above)


def main() -> int:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=2000)
    parser.add_argument("--only", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--limit", type=int, default=600, help="MB above the interpreter, of all processes together")
    parser.add_argument("--step", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.step:
        step, source, output = chosen.step
        print(json.dumps((import_volume if step == "import" else pack)(Path(source), Path(output))))
        return 0
    header(f"Memory of volumes of {chosen.megabytes:,} MB")
    own, rows, worst = interpreter(), [], 0
    with work_folder("memory") as work:
        for kind in chosen.only:
            folder = work / kind
            source = make(kind, chosen.megabytes * 1_000_000, folder)
            size = sum(file.stat().st_size for file in source.rglob("*") if file.is_file())
            for step, paths in (
                ("import", (source, folder / "repository")),
                ("pack", (folder / "repository", folder / "out.mrb")),
            ):
                settle()
                done = measured("memory", "--step", step, *paths)
                worst = max(worst, done.together - own)
                rows.append(row(f"{step} {kind}", size, own, done))
                print(f"({step} {kind} done)", flush=True)
    table(("MB above the interpreter", "size", "seconds", "parent", "largest child", "all together"), rows)
    verdict = "met" if worst <= chosen.limit * 1_000_000 else "MISSED"
    print(f"a bare interpreter with numpy has {megabytes(own)}; limit {chosen.limit} MB: {verdict}")
    return int(verdict != "met")


if __name__ == "__main__":
    sys.exit(main())
