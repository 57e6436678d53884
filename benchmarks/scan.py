"""Reading DICOM headers: our walk against pydicom and dcmmkdir, and what a whole description of a file costs.

    python -m benchmarks.scan [--files 2000] [--repeat 3]

All readers have the same files, in the page cache, and one thread. "22 tags" decodes the values of 22 elements that
an index needs; "all elements" walks the whole header of about 260. A full description is what an import makes of a
file (all attributes, header as JSON, geometry, voxel blocks), first in this process and then with SHA-256 by 2 limited
child processes.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from benchmarks import peers
from benchmarks.corpus import write_corpus
from benchmarks.measuring import header, interpreter, measured, megabytes, settle, spread, table, work_folder

SLICES = 200
KEYWORDS = (
    "SpecificCharacterSet",
    "ImageType",
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "Modality",
    "StudyDescription",
    "SeriesDescription",
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SeriesNumber",
    "InstanceNumber",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "Rows",
    "Columns",
)
LABELS = {
    "walk 22": "vasculum: 22 tags",
    "pydicom 22": "pydicom: 22 tags (specific_tags)",
    "walk all": "vasculum: all elements",
    "pydicom all": "pydicom: all elements",
    "describe": "vasculum: full description",
    "examine": "vasculum: SHA-256 + description, 2 children",
    "dcmmkdir": "dcmmkdir: DICOMDIR of all",
}
BASES = {"pydicom 22": "walk 22", "pydicom all": "walk all", "dcmmkdir": "walk 22"}
"""Each peer, and what of ours does the same."""


def walk_some(path: Path) -> object:
    """Read 22 elements and their values by our walk."""
    from pydicom.datadict import tag_for_keyword

    from vasculum.dicom.fields import Fields
    from vasculum.dicom.walk import read_header

    if not _TAGS:
        _TAGS.update(int(tag_for_keyword(word) or 0) for word in KEYWORDS)
    fields = Fields.of(read_header(path, only=_TAGS))
    return [fields.values(tag) for tag in _TAGS]


_TAGS: set[int] = set()


def pydicom_some(path: Path) -> object:
    """Read 22 elements and their values by pydicom."""
    import pydicom

    dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(KEYWORDS))
    return [dataset.get(word) for word in KEYWORDS]


def walk_all(path: Path) -> object:
    """Walk a whole header."""
    from vasculum.dicom.walk import read_header

    return read_header(path)


def pydicom_all(path: Path) -> object:
    """Read a whole header by pydicom; values stay undecoded, as ours do."""
    import pydicom

    return pydicom.dcmread(path, stop_before_pixels=True)


def describe(path: Path) -> object:
    """Make a full description."""
    from vasculum.formats.registry import describe as full

    return full(path)


READERS: dict[str, Callable[[Path], object]] = {
    "walk 22": walk_some,
    "pydicom 22": pydicom_some,
    "walk all": walk_all,
    "pydicom all": pydicom_all,
    "describe": describe,
}


def scan(corpus: Path) -> dict[str, float]:
    """Read a corpus by every reader, in this process; seconds by name."""
    from vasculum.formats.limited import Examiner

    files = sorted(corpus.rglob("*.dcm"))
    times: dict[str, float] = {}
    for name, read in READERS.items():
        read(files[0])
        start = time.perf_counter()
        for file in files:
            read(file)
        times[name] = time.perf_counter() - start
    with Examiner(workers=2) as examiner:
        list(examiner.examine_all(files[:8]))  # the children have started
        start = time.perf_counter()
        refused = sum(bool(found.refusal) for found in examiner.examine_all(files))
        times["examine"] = time.perf_counter() - start
    if refused:
        raise SystemExit(f"{refused} files were refused")
    return times


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2000, help=f"a multiple of {SLICES}")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--once", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.once:
        print(json.dumps(scan(chosen.once)))
        return
    times: dict[str, list[float]] = defaultdict(list)
    peak = 0
    with work_folder("scan") as folder:
        count = write_corpus(folder / "corpus", series=max(1, chosen.files // SLICES), slices=SLICES, size=128)
        files = sorted((folder / "corpus").rglob("*.dcm"))
        header(f"Headers of {count:,} CT files of {files[0].stat().st_size / 1e3:.0f} kB, {chosen.repeat} runs")
        executable = peers.program("dcmmkdir")
        settle()
        for _ in range(chosen.repeat):
            ours = measured("scan", "--once", folder / "corpus")
            peak = max(peak, ours.together)
            for name, seconds in ours.said.items():
                times[name].append(seconds)
            if executable:
                times["dcmmkdir"].append(peers.dicomdir(executable, files, folder))
    rows = []
    for name, label in LABELS.items():
        if name in times:
            base = BASES.get(name)
            slower = spread([a / b for a, b in zip(times[name], times[base], strict=True)], 2) if base else ""
            rows.append((label, spread([count / s for s in times[name]]), slower))
    table(("", "files/s", "time / ours"), rows)
    own = interpreter()
    print(f"peak memory of all processes together {megabytes(peak)}; a bare interpreter has {megabytes(own)}")


if __name__ == "__main__":
    main()
