"""A corpus of CT series for benchmarks: a real header of 260 elements, noisy voxels, made anew by one seed.

``python benchmarks/corpus.py FOLDER --series 100 --slices 200 --size 128`` writes 20,000 files of 39 kB.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np

PLACE = b"1.2.826.0.1.3680043.8.498.1%011d.1%05d"


def write_corpus(folder: Path, *, series: int, slices: int, size: int, seed: int = 5155) -> int:
    """Write the corpus; gives the number of files. Files that are there already are left alone."""
    random = np.random.default_rng(seed)
    noise = random.normal(0, 40, (64, size, size)).astype(np.int16)
    shape = np.hypot(*np.meshgrid(np.linspace(-1, 1, size), np.linspace(-1, 1, size)))
    body = np.where(shape < 0.8, 1064, 24).astype(np.int16)
    count = 0
    for s in range(series):
        target = folder / f"patient{s // 4:03d}" / f"series{s:04d}"
        target.mkdir(parents=True, exist_ok=True)
        template = _template(s, size)
        for k in range(slices):
            path = target / f"IM{k:05d}.dcm"
            count += 1
            if path.exists():
                continue
            pixels = (body + noise[(s * 7 + k) % 64] + k % 9).astype("<i2").tobytes()
            path.write_bytes(_patched(template, s, k) + pixels)
    return count


def _template(s: int, size: int) -> bytes:
    """Give a whole header, up to the value of Pixel Data, with places of fixed width for what differs by slice."""
    import pydicom
    from pydicom.data import get_testdata_file

    ds = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
    del ds[0xFFFC, 0xFFFC]
    ds.PatientID, ds.PatientName = f"BENCH{s // 4:05d}", f"BENCH^{s // 4:05d}"
    ds.StudyInstanceUID = (PLACE % (s // 4, 1)).decode()
    ds.SeriesInstanceUID = (PLACE % (s, 2)).decode()
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = (PLACE % (99999999999, 99999)).decode()
    ds.Rows = ds.Columns = size
    ds.PixelSpacing, ds.SliceThickness = [0.7, 0.7], 1.5
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.ImagePositionPatient, ds.SliceLocation = ["-90", "-90", "-77777.5"], "-77777.5"
    ds.InstanceNumber = "88888"
    ds.PixelData = b"\0" * (size * size * 2)
    whole = io.BytesIO()
    ds.save_as(whole)
    return whole.getvalue()[: -size * size * 2]


def _patched(template: bytes, s: int, k: int) -> bytes:
    position = f"{k * 1.5:8.1f}".encode()
    return (
        template.replace(PLACE % (99999999999, 99999), PLACE % (s, 100 + k))
        .replace(b"-77777.5", position)
        .replace(b"88888", f"{k + 1:5d}".encode())
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--series", type=int, default=100)
    parser.add_argument("--slices", type=int, default=200)
    parser.add_argument("--size", type=int, default=128)
    options = parser.parse_args()
    print(write_corpus(options.folder, series=options.series, slices=options.slices, size=options.size), "files")
