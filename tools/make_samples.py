"""Make the sample data that the package ships, from the published sources named in their ATTRIBUTION.md.

Usage: python tools/make_samples.py FOLDER_OF_CT_SLICES MOUSE_SKULL.seg.nrrd

The head CT is copied as it is. The mouse skull is made from a published segmentation (its CT is not ours to ship): the share
of bone in blocks of 3×3×3 voxels becomes the grey value, the commonest label becomes the segmentation.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import nrrd
import numpy as np
from numpy.typing import NDArray

SAMPLES = Path(__file__).resolve().parents[1] / "src" / "vasculum" / "samples" / "data"
BLOCK = 3
"""Voxels of the source along an edge of one voxel of the sample."""
BONE = 200
"""Grey value of a voxel that is all bone."""
CAVITY = 15
"""Label value of the cranial cavity, the one segment that is not bone."""


def main(ct_folder: Path, skull: Path) -> None:
    """Write all samples."""
    head = SAMPLES / "head-ct"
    head.mkdir(parents=True, exist_ok=True)
    for file in sorted(ct_folder.glob("*.dcm")):
        shutil.copyfile(file, head / file.name)
    folder = SAMPLES / "mouse-skull"
    folder.mkdir(parents=True, exist_ok=True)
    labels, header = nrrd.read(str(skull))
    blocks = _blocks(labels)
    geometry = _coarser(header)
    share = ((blocks > 0) & (blocks != CAVITY)).mean(axis=-1)
    volume = np.rint(share * BONE).astype("u1")
    content = {"content": "share of bone in blocks of a published segmentation; not measured attenuation"}
    nrrd.write(str(folder / "mouse-skull.nrrd"), volume, geometry | content, compression_level=9)
    segments = {k: v for k, v in header.items() if k.startswith("Segment") and "Extent" not in k}
    extent = " ".join(f"0 {n - 1}" for n in volume.shape)
    segments |= {k: extent for k in header if k.endswith("_Extent")}
    nrrd.write(str(folder / "mouse-skull.seg.nrrd"), _commonest(blocks), geometry | segments, compression_level=9)


def _blocks(labels: NDArray[Any]) -> NDArray[Any]:
    """Cut (i, j, k) into blocks: (i, j, k, voxels of the block)."""
    i, j, k = (n // BLOCK for n in labels.shape)
    cut = labels[: i * BLOCK, : j * BLOCK, : k * BLOCK].reshape(i, BLOCK, j, BLOCK, k, BLOCK)
    return cut.transpose(0, 2, 4, 1, 3, 5).reshape(i, j, k, BLOCK**3).astype("u1")


def _commonest(blocks: NDArray[Any]) -> NDArray[Any]:
    values = np.unique(blocks)
    counts = np.stack([(blocks == value).sum(axis=-1, dtype="u1") for value in values])
    return values[np.argmax(counts, axis=0)].astype("u1")


def _coarser(header: Any) -> dict[str, Any]:
    """Place the coarse grid over the fine one: the centre of a block is the mean of its voxel centres."""
    directions = np.asarray(header["space directions"], float)
    origin = np.asarray(header["space origin"], float) + directions.sum(axis=0) * (BLOCK - 1) / 2
    return {
        "space": "left-posterior-superior",
        "kinds": ["domain"] * 3,
        "encoding": "gzip",
        "space directions": directions * BLOCK,
        "space origin": origin,
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
