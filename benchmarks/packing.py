"""One file with a large volume: how long it takes to write and to open, against a plain MRB and a plain NRRD.

    python -m benchmarks.packing [--megabytes 500] [--repeat 3]

An int16 volume with noise lies as raw NRRD in a repository (left in place). Ours: `Repository.pack` (multi-frame DICOM,
DICOMDIR, scene, record, digests, read back before it gets its name; flushed to the disk). Peers: Slicer's own MRML core
(`WriteToMRB`, compression as Slicer sets it) where the wheel ``slicer-core`` is installed, and pynrrd (gzip) + zipfile.
Opening: of the bundle, of one slice and of all voxels, against SimpleITK reading the raw NRRD.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measuring import header, interpreter, measured, megabytes, settle, spread, table, work_folder
from benchmarks.volumes import write_nrrd

LABEL = "BENCH"
WRITERS = {
    "pack": "vasculum: pack, verified and flushed",
    "slicer": "Slicer's MRML core: WriteToMRB",
    "slicer plain": "  the same, compression turned off",
    "pynrrd": "pynrrd (gzip) + zipfile",
}
OPENERS = {
    "open": "vasculum: open the bundle",
    "slice": "vasculum: open, give one slice",
    "voxels": "vasculum: open, sum all voxels",
    "sitk slice": "SimpleITK: read raw NRRD, give one slice",
    "sitk voxels": "SimpleITK: read raw NRRD, sum all voxels",
}


def pack(repository: Path, output: Path) -> dict[str, float]:
    """Pack the volume of a repository."""
    from vasculum.repo.repository import open_repository

    with open_repository(repository) as repo:
        subject = repo.find("", level="subject")[0]
        return _timed("pack", lambda: repo.pack(subject.label, output))


_KEPT: list[object] = []
"""A scene of Slicer cannot be torn down cleanly; the process that made it ends with it."""


def slicer(volume: Path, output: Path, *, compressed: bool = True) -> dict[str, float]:
    """Read a volume into a scene of Slicer and save that as Slicer does."""
    import slicer as core

    scene = core.vtkMRMLScene()
    cache, io, logic = core.vtkCacheManager(), core.vtkDataIOManager(), core.vtkSlicerApplicationLogic()
    _KEPT.extend((scene, cache, io, logic))
    cache.SetRemoteCacheDirectory(str(output.parent))
    cache.SetMRMLScene(scene)
    io.SetCacheManager(cache)
    scene.SetDataIOManager(io)
    scene.SetCacheManager(cache)
    logic.SetMRMLScene(scene)
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    storage = scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName(str(volume))
    if not storage.ReadData(node):
        raise SystemExit("Slicer could not read the volume")
    node.SetAndObserveStorageNodeID(storage.GetID())
    storage.SetUseCompression(compressed)
    name = "slicer" if compressed else "slicer plain"
    return _timed(name, lambda: scene.WriteToMRB(str(output), None, core.vtkMRMLMessageCollection()))


def pynrrd(volume: Path, output: Path) -> dict[str, float]:
    """Write a gzipped NRRD into a zip."""
    import zipfile

    import nrrd

    values, fields = nrrd.read(str(volume))
    plain = {key: fields[key] for key in ("space", "space directions", "space origin")}

    def write() -> None:
        part = output.with_suffix(".nrrd")
        nrrd.write(str(part), values, {**plain, "encoding": "gzip"}, compression_level=1)
        with zipfile.ZipFile(output, "w") as container:
            container.write(part, "CT/Data/CT.nrrd")
        part.unlink()

    return _timed("pynrrd", write)


def open_all(bundle: Path, volume: Path) -> dict[str, float]:
    """Open a bundle, a slice, all voxels; and the same voxels by SimpleITK."""
    import numpy as np
    import SimpleITK

    from vasculum.bundle import open_bundle

    def first() -> Any:
        with open_bundle(bundle) as opened:
            return next(iter(opened.volumes.values())).array

    def look() -> None:
        with open_bundle(bundle) as opened:
            assert len(opened.volumes) == 1

    def read(use: Callable[[Any], Any]) -> Any:
        image = SimpleITK.ReadImage(str(volume))  # a view does not keep it alive
        return use(SimpleITK.GetArrayViewFromImage(image))

    for call in (look, first, lambda: read(np.sum)):  # modules are loaded, and the files are in the page cache
        call()
    times = _timed("open", look) | _timed("slice", lambda: _middle(first()).sum())
    times |= _timed("voxels", lambda: first().sum()) | _timed(
        "sitk slice", lambda: read(lambda array: _middle(array).sum())
    )
    times |= _timed("sitk voxels", lambda: read(np.sum))
    if int(first().sum()) != int(read(np.sum)):
        raise SystemExit("the bundle holds other voxels")
    return times


def _middle(array: Any) -> Any:
    return array[len(array) // 2]


def _timed(name: str, call: Callable[[], object]) -> dict[str, float]:
    start = time.perf_counter()
    call()
    return {name: time.perf_counter() - start}


STEPS: dict[str, Callable[[Path, Path], dict[str, float]]] = {
    "pack": pack,
    "slicer": slicer,
    "slicer plain": partial(slicer, compressed=False),
    "pynrrd": pynrrd,
    "open": open_all,
}


def one_run(folder: Path, times: dict[str, list[float]], peaks: dict[str, list[int]], sizes: dict[str, int]) -> None:
    """Write the volume by everyone, and open it."""
    volume, bundle = folder / "CT.nrrd", folder / "pack.mrb"
    steps = [("pack", folder / "repository"), ("slicer", volume), ("slicer plain", volume), ("pynrrd", volume)]
    if importlib.util.find_spec("slicer") is None:
        steps = [step for step in steps if not step[0].startswith("slicer")]
        print("(slicer-core is not installed: left out)", flush=True)
    for step, source in steps:
        output = folder / f"{step}.mrb"
        output.unlink(missing_ok=True)
        settle()
        done = measured("packing", "--step", step, source, output)
        times[step].append(done.said[step])
        peaks[step].append(done.together)
        sizes[step] = output.stat().st_size
    done = measured("packing", "--step", "open", bundle, volume)
    for name, seconds in done.said.items():
        times[name].append(seconds)


def report(times: dict[str, list[float]], peaks: dict[str, list[int]], sizes: dict[str, int], size: int) -> None:
    """Print both tables."""
    rows = [
        (
            label,
            spread(times[name], 2),
            spread([size / s / 1e6 for s in times[name]]),
            megabytes(sizes[name]),
            megabytes(max(peaks[name])),
            spread([theirs / ours for theirs, ours in zip(times[name], times["pack"], strict=True)], 2),
        )
        for name, label in WRITERS.items()
        if name in times
    ]
    table(("writing", "seconds", "MB/s", "size", "peak memory", "time / ours"), rows)
    print(f"a bare interpreter has {megabytes(interpreter())}\n")
    ratios = {"sitk slice": "slice", "sitk voxels": "voxels"}
    opened: list[tuple[str, str, str]] = []
    for name, label in OPENERS.items():
        base = ratios.get(name)
        ratio = spread([a / b for a, b in zip(times[name], times[base], strict=True)], 1) if base else ""
        opened.append((label, spread([s * 1e3 for s in times[name]], 1), ratio))
    table(("opening", "ms", "time / ours"), opened)


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--step", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.step:
        step, source, output = chosen.step
        print(json.dumps(STEPS[step](Path(source), Path(output))), flush=True)
        os._exit(0)  # see _KEPT
    from vasculum.repo.repository import init_repository

    times: dict[str, list[float]] = defaultdict(list)
    peaks: dict[str, list[int]] = defaultdict(list)
    sizes: dict[str, int] = {}
    with work_folder("packing") as folder:
        size = write_nrrd(folder / "CT.nrrd", (max(1, chosen.megabytes // 2), 1000, 1000))
        with init_repository(folder / "repository") as repo:
            repo.execute(repo.plan_import([folder / "CT.nrrd"], in_place=True), in_place=True)
        header(f"A volume of {megabytes(size)}, {chosen.repeat} runs")
        for _ in range(chosen.repeat):
            one_run(folder, times, peaks, sizes)
        report(times, peaks, sizes, size)


if __name__ == "__main__":
    main()
