"""Search over a real corpus: the public index of more than a million DICOM series in the package ``idc-index-data``.

    python benchmarks/search.py [--series 100000 1000000] [--repeat 15] [--keep]

Builds a catalogue of each size through the same `Writer` that an import uses, then times searches through `Catalog`.
Prints a table of medians with the spread, the insert rate, the bytes on disk and the memory, and removes what it made.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from vasculum.catalog import Catalog, Writer
from vasculum.catalog.values import as_text
from vasculum.model.description import Description, Part
from vasculum.model.kinds import Kind, SubjectKind
from vasculum.model.query import Level
from vasculum.model.records import Project, Series, Study, Subject

WORK = Path(__file__).parent / "work"
PER_TRANSACTION = 20_000
IMPORTED = datetime(2026, 1, 1, tzinfo=UTC)

SERIES_ATTRIBUTES = [
    "SeriesNumber",
    "SeriesDescription",
    "SeriesDate",
    "BodyPartExamined",
    "Manufacturer",
    "ManufacturerModelName",
    "PhotometricInterpretation",
    "PixelRepresentation",
    "SOPClassUID",
    "TransferSyntaxUID",
    "Modality",
    "PatientID",
    "PatientAge",
    "PatientSex",
    "StudyDate",
    "StudyDescription",
    "SeriesInstanceUID",
    "StudyInstanceUID",
]
OTHERS = [
    "collection_id",
    "analysis_result_id",
    "source_DOI",
    "license_short_name",
    "sop_class_name",
    "transfer_syntax_name",
    "instanceCount",
    "crdc_series_uuid",
    "series_size_MB",
]
KINDS = {
    "SEG": Kind.SEGMENTATION,
    "SR": Kind.REPORT,
    "RTSTRUCT": Kind.SEGMENTATION,
    "CT": Kind.VOLUME,
    "MR": Kind.VOLUME,
}

Time = tuple[float, float]
Measure = tuple[str, str, Callable[[Catalog], object]]


def _find(query: str, **more: Any) -> Callable[[Catalog], object]:
    return lambda catalog: catalog.find(query, limit=25, **more)


def _facets(query: str, field: str) -> Callable[[Catalog], object]:
    return lambda catalog: catalog.facets(query, field)


MEASURES: tuple[Measure, ...] = (
    ("facet + page", "facets(all, Modality) + newest 25", lambda c: (c.facets("", "Modality"), c.find("", limit=25))),
    (
        "facet + page",
        "facets(all, SeriesDescription) + newest 25",
        lambda c: (c.facets("", "SeriesDescription"), c.find("", limit=25)),
    ),
    (
        "facet + page",
        "all facets of 6 fields, whole catalogue",
        lambda c: [c.facets("", f) for f in SERIES_ATTRIBUTES[1:7]],
    ),
    ("page", "Modality:CT, newest 25", _find("Modality:CT")),
    ("page", "Modality:CT, 25 subjects", _find("Modality:CT", level=Level.SUBJECT)),
    ("page", "StudyDate:2005..2010 Modality:MR", _find("StudyDate:2005..2010 Modality:MR")),
    (
        "page",
        "StudyDate:2005..2010 Modality:MR by -study-date",
        _find("StudyDate:2005..2010 Modality:MR", order=["-study-date"]),
    ),
    ("page", "NOT Modality:CT NOT Modality:MR", _find("NOT Modality:CT NOT Modality:MR")),
    ("words", "chest contrast, 25", _find("chest contrast")),
    ("words", "chest contrast, count", lambda c: c.count("chest contrast")),
    ("words", "temporal, 25", _find("temporal")),
    ("words", "abdom*, 25", _find("abdom*")),
    ("words", "siemens angio, 25", _find("siemens angio")),
    ("words", "thorax Modality:CT, 25", _find("thorax Modality:CT")),
    ("two keys", "model:Sensation 64, sex:F, 25", _find('ManufacturerModelName:"Sensation 64" sex:F')),
    ("two keys", "model:Sensation 64, sex:F, count", lambda c: c.count('ManufacturerModelName:"Sensation 64" sex:F')),
    ("two keys", "CT, BodyPartExamined:CHEST, 25", _find("Modality:CT BodyPartExamined:CHEST")),
    ("two keys", "CT, BodyPartExamined:CHEST, count", lambda c: c.count("Modality:CT BodyPartExamined:CHEST")),
    ("two keys", "Philips*, instanceCount>500, 25", _find("Manufacturer:Philips* instanceCount>500")),
    ("two keys", "Philips*, instanceCount>500, count", lambda c: c.count("Manufacturer:Philips* instanceCount>500")),
    ("two keys", "PatientAge:060Y, sex:M, count", lambda c: c.count("PatientAge:060Y sex:M")),
    ("substring", "SeriesDescription:*contrast*, 25", _find("SeriesDescription:*contrast*")),
    ("substring", "SeriesDescription:*contrast*, count", lambda c: c.count("SeriesDescription:*contrast*")),
    (
        "filtered facet",
        "Sensation 64 by BodyPartExamined",
        _facets('ManufacturerModelName:"Sensation 64"', "BodyPartExamined"),
    ),
    ("filtered facet", "CT + CHEST by Manufacturer", _facets("Modality:CT BodyPartExamined:CHEST", "Manufacturer")),
    ("filtered facet", "Modality:CT by Manufacturer", _facets("Modality:CT", "Manufacturer")),
    ("look-up", "subject by label", lambda c: c.find("subject:LIDC-IDRI-0001", level=Level.SUBJECT)),
    ("look-up", "resolve a UID", lambda c: c.resolve(_one_uid(c))),
)
TARGETS = {"facet + page": 10, "words": 5, "any two keys": 50}


def _one_uid(catalog: Catalog) -> str:
    found = catalog.find("", limit=1)[0]
    assert isinstance(found, Series)
    return found.uid


def corpus(wanted: int) -> tuple[int, Iterator[dict[str, Any]]]:
    """Give the number of rows and the rows of an even sample of the index."""
    import idc_index_data
    from pyarrow import parquet

    file = parquet.ParquetFile(idc_index_data.IDC_INDEX_PARQUET_FILEPATH)
    total = file.metadata.num_rows
    step = max(1, total // wanted)

    def rows() -> Iterator[dict[str, Any]]:
        position = 0
        for batch in file.iter_batches(batch_size=10_000):
            chosen = list(range(-position % step, batch.num_rows, step))
            position += batch.num_rows
            yield from batch.take(chosen).to_pylist()

    return min(wanted, len(range(0, total, step))), rows()


def fill(catalog: Catalog, count: int, rows: Iterator[dict[str, Any]]) -> None:
    """Write series as an import does, some thousands in a transaction."""
    seen: set[str] = set()
    done = 0
    while done < count:
        with catalog.transaction() as writer:
            for _ in range(min(PER_TRANSACTION, count - done)):
                put(writer, next(rows), seen)
                done += 1
        print(f"\r  {done} series", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


def put(writer: Writer, row: dict[str, Any], seen: set[str]) -> None:
    """Put one row of the index, with its project, subject and study where they are new."""
    project, subject, study = (
        row["collection_id"],
        f"{row['collection_id']}/{row['PatientID']}",
        row["StudyInstanceUID"],
    )
    if project not in seen:
        writer.put_project(Project(id=project, name=project))
    if subject not in seen:
        label, sex = row["PatientID"], {"sex": row["PatientSex"]} if row["PatientSex"] else {}
        writer.put_subject(Subject(id=subject, project=project, label=label, kind=SubjectKind.PATIENT, metadata=sex))
    if study not in seen:
        label, date = row["StudyDescription"] or "", row["StudyDate"] or ""
        writer.put_study(Study(id=study, subject=subject, uid=study, label=label, date=date))
    seen.update((project, subject, study))
    kind = KINDS.get(row["Modality"], Kind.IMAGE)
    attributes = {name: (row[name],) for name in SERIES_ATTRIBUTES if row[name] is not None}
    attributes |= {name: (row[name],) for name in OTHERS if row[name] is not None}
    description = Description(
        format="dicom",
        kind=kind,
        parts=(Part(name=f"{row['crdc_series_uuid']}.dcm"),),
        title=row["SeriesDescription"] or "",
        modality=row["Modality"],
        attributes=attributes,
    )
    series = Series(
        id=row["crdc_series_uuid"],
        study=study,
        subject=subject,
        uid=row["SeriesInstanceUID"],
        kind=kind,
        format="dicom",
        label=row["SeriesDescription"] or "",
        modality=row["Modality"],
        imported=IMPORTED,
    )
    writer.put_series(series, description)


def timed(call: Callable[[], object], repeat: int) -> list[Time]:
    """Give wall and processor milliseconds of some runs after a first one that warms the cache."""
    call()
    times: list[Time] = []
    stop = time.perf_counter() + 5
    while len(times) < repeat and (len(times) < 3 or time.perf_counter() < stop):
        wall, processor = time.perf_counter(), time.process_time()
        call()
        times.append(((time.perf_counter() - wall) * 1e3, (time.process_time() - processor) * 1e3))
    return times


def random_pairs(catalog: Catalog, number: int = 60) -> list[str]:
    """Make queries of two fields of one series each, drawn at random, so that every query has results."""
    chosen = random.Random(5155)
    total = catalog.count("")
    queries = []
    while len(queries) < number:
        (series,) = catalog.find("", limit=1, offset=chosen.randrange(total))
        held = catalog.description(series.id).attributes
        names = chosen.sample([name for name in held if not name.endswith(("UID", "_uuid"))], 2)
        queries.append(" ".join(f'{name}=="{_quoted(held[name][0])}"' for name in names))
    return queries


def _quoted(value: object) -> str:
    return as_text(value).replace("\\", "\\\\").replace('"', '\\"')


def report_pairs(catalog: Catalog) -> None:
    """Time queries of any two keys, each once after one that warms the cache."""
    queries = random_pairs(catalog)
    calls: tuple[tuple[str, Callable[[str], object]], ...] = (
        ("60 random pairs, first 25", lambda query: catalog.find(query, limit=25)),
        ("60 random pairs, count", catalog.count),
    )
    for name, call in calls:
        times = [timed(partial(call, query), 3)[1] for query in queries]
        line("any two keys", name, times)


def line(group: str, name: str, times: list[Time]) -> None:
    """Print one row of the table."""
    wall = sorted(each[0] for each in times)
    middle = statistics.median(wall)
    processor = statistics.median(each[1] for each in times)
    target = f"{TARGETS[group]} {'met' if middle <= TARGETS[group] else 'MISSED'}" if group in TARGETS else ""
    print(f"{group:15} {name:48} {middle:8.2f} {wall[0]:8.2f} {wall[-1]:8.2f} {processor:8.2f}  {target}", flush=True)


def run(wanted: int, repeat: int, *, keep: bool) -> None:
    """Build one catalogue and measure it."""
    path = WORK / f"search-{wanted}.sqlite"
    if path.exists():
        catalog = Catalog.open(path)
        print(f"\n{catalog.count('')} series, kept from an earlier run")
    else:
        count, rows = corpus(wanted)
        catalog = Catalog.create(path)
        start = time.perf_counter()
        fill(catalog, count, rows)
        seconds = time.perf_counter() - start
        print(f"\n{count} series: {count / seconds:.0f} series/s in {seconds:.0f} s")
    size = sum(file.stat().st_size for file in WORK.glob(f"{path.name}*"))
    memory = psutil.Process()
    print(f"{size / 1e6:.0f} MB on disk, {memory.memory_info().rss / 1e6:.0f} MB resident after the build")
    print(f"{'what':15} {'query':48} {'p50 ms':>8} {'least':>8} {'most':>8} {'cpu ms':>8}  target")
    try:
        for group, name, call in MEASURES:
            line(group, name, timed(partial(call, catalog), repeat))
        report_pairs(catalog)
        print(f"{memory.memory_info().rss / 1e6:.0f} MB resident at the end, load {os.getloadavg()[0]:.1f}")
    finally:
        catalog.close()
        if not keep:
            for file in WORK.glob(f"{path.name}*"):
                file.unlink()


def main() -> None:
    """Read the arguments and run every size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument("--keep", action="store_true", help="leave the catalogues in benchmarks/work")
    chosen = parser.parse_args()
    made = not WORK.exists()
    WORK.mkdir(exist_ok=True)
    for wanted in chosen.series:
        run(wanted, chosen.repeat, keep=chosen.keep)
    if made and not chosen.keep:
        shutil.rmtree(WORK)


if __name__ == "__main__":
    main()
