"""Import of a CT corpus into a repository, durable on disk, against a peer that indexes and one that stores.

    python -m benchmarks.importing [--files 20000] [--repeat 3]

Each run: plan and execute an import into a new repository, plan it again (all files known), ``dcmmkdir`` (dcmtk: reads
headers, writes an index, stores nothing) and Orthanc (POST of every file over 2 connections on the loopback address).
The corpus is made anew (`benchmarks/corpus.py`), lies in the page cache for all, and goes at the end.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections import defaultdict
from pathlib import Path

import psutil
from benchmarks import peers
from benchmarks.corpus import write_corpus
from benchmarks.measuring import header, interpreter, measured, megabytes, settle, spread, table, work_folder

SLICES = 200
DICOMDIR_FILES = 2000
"""The time of dcmmkdir grows with the square of the files (20,000: over 3 minutes); its rate is that of so many."""


def import_once(corpus: Path, repository: Path) -> dict[str, float]:
    """Import and import again, in this process; seconds by step, and the counts that prove it was done."""
    from vasculum.model.plans import Outcome
    from vasculum.repo.repository import init_repository

    steps: dict[str, float] = {}
    with init_repository(repository) as repo:
        start = time.perf_counter()
        plan = repo.plan_import([corpus])
        steps["plan"] = time.perf_counter() - start
        report = repo.execute(plan)
        steps["import"] = time.perf_counter() - start
        steps["files"] = sum(f.outcome is Outcome.IMPORTED for f in report.files)
        steps["series"] = repo.count()
        start = time.perf_counter()
        report = repo.execute(repo.plan_import([corpus]))
        steps["again"] = time.perf_counter() - start
        steps["known"] = sum(f.outcome is Outcome.KNOWN for f in report.files)
    return steps


def one_run(corpus: Path, files: list[Path], folder: Path, times: dict[str, list[float]]) -> None:
    """Measure ourselves and the peers once."""
    settle()
    ours = measured("importing", "--once", corpus, folder / "repository")
    said = ours.said
    if said["files"] != len(files) or said["known"] != len(files):
        raise SystemExit(f"the import is not whole: {said}")
    for step in ("plan", "import", "again"):
        times[step].append(said[step])
    for name in ("parent", "child", "together"):
        times[name].append(getattr(ours, name))
    shutil.rmtree(folder / "repository")
    if executable := peers.program("dcmmkdir"):
        settle()
        few = files[:DICOMDIR_FILES]
        times["dcmmkdir"].append(peers.dicomdir(executable, few, folder) / len(few) * len(files))
    if executable := peers.program("Orthanc", "orthanc"):
        settle()
        with peers.Orthanc(executable, folder / "orthanc") as orthanc:
            start = time.perf_counter()
            taken = orthanc.ingest(files)
            times["orthanc"].append(time.perf_counter() - start)
            times["orthanc memory"].append(psutil.Process(orthanc.pid).memory_info().rss)
        if taken != len(files):
            raise SystemExit(f"Orthanc took {taken} of {len(files)} files")
        shutil.rmtree(folder / "orthanc")
    last = {name: f"{len(files) / times[name][-1]:,.0f}" for name in ("import", "dcmmkdir", "orthanc") if times[name]}
    print("files/s:", ", ".join(f"{name} {rate}" for name, rate in last.items()), flush=True)


def report(times: dict[str, list[float]], count: int, size: int) -> None:
    """Print the table."""
    rows = []
    for name, label in (
        ("import", "vasculum: plan + execute, durable"),
        ("plan", "  of which plan"),
        ("again", "vasculum: again, all known"),
        ("dcmmkdir", f"dcmmkdir: index only, rate of {DICOMDIR_FILES:,} files"),
        ("orthanc", "Orthanc: REST, 2 connections"),
    ):
        seconds = times[name]
        if not seconds:
            continue
        ratio = spread([theirs / ours for theirs, ours in zip(seconds, times["import"], strict=True)], 2)
        rates = spread([count / s for s in seconds])
        rows.append((label, spread(seconds, 1), rates, spread([size / s / 1e6 for s in seconds], 1), ratio))
    table(("", "seconds", "files/s", "MB/s", "time / our import"), rows)
    own = interpreter()
    print(f"\npeak memory of the import (bare interpreter with numpy: {megabytes(own)})")
    for name, label in (("parent", "parent"), ("child", "largest child"), ("together", "all processes together")):
        print(f"  {label}: {megabytes(max(times[name]))}, {megabytes(max(times[name]) - own)} above the interpreter")
    if times["orthanc memory"]:
        print(f"  Orthanc at its end: {megabytes(max(times['orthanc memory']))}")


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000, help=f"a multiple of {SLICES}")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--once", type=Path, nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.once:
        print(json.dumps(import_once(*chosen.once)))
        return
    with work_folder("importing") as folder:
        count = write_corpus(folder / "corpus", series=max(1, chosen.files // SLICES), slices=SLICES, size=128)
        files = sorted((folder / "corpus").rglob("*.dcm"))
        size = sum(file.stat().st_size for file in files)
        header(f"Import of {count:,} CT files, {megabytes(size)}, {chosen.repeat} runs")
        times: dict[str, list[float]] = defaultdict(list)
        for _ in range(chosen.repeat):
            one_run(folder / "corpus", files, folder, times)
        report(times, count, size)


if __name__ == "__main__":
    main()
