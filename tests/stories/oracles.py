"""Where other people's readers put the voxels of a file: LPS millimetres, columns along (i, j, k)."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.interop import require

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Seen:
    """What a reader makes of a file."""

    affine: NDArray[np.float64]
    array: NDArray[Any]
    """Shape (k, j, i), (t, k, j, i) or (k, j, i, c), after the reader's own rescale; of a place alone, of its shape."""


class NotRead(Exception):
    """The reader cannot read this file; the text says why, in its words."""


def simpleitk(files: Sequence[Path], *, voxels: bool = True) -> Seen:
    """Read one file, or the files of a DICOM series in the order in which they are given; or their place alone."""
    sitk = require("SimpleITK")
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        if len(files) > 1:
            reader = sitk.ImageSeriesReader()
            reader.SetFileNames([str(file) for file in files])
            image = reader.Execute()
        else:
            reader = sitk.ImageFileReader()
            reader.SetFileName(str(files[0]))
            reader.ReadImageInformation()
            image = reader.Execute() if voxels else reader
    except RuntimeError as error:
        raise NotRead(str(error).strip().splitlines()[-1]) from error
    size = image.GetDimension()
    columns = np.reshape(image.GetDirection(), (size, size))[:3, :3] * np.array(image.GetSpacing())[:3]
    affine = np.eye(4)
    affine[: len(columns), : len(columns)] = columns
    affine[: min(3, size), 3] = image.GetOrigin()[:3]
    array = np.broadcast_to(0, image.GetSize()[::-1]) if image is reader else sitk.GetArrayFromImage(image)
    return Seen(affine, array[np.newaxis] if size == 2 else array)


def nibabel(file: Path, *, voxels: bool = True) -> Seen:
    """Read NIfTI, MGH, MINC, AFNI or PAR/REC. NIfTI and its kin count voxels (i, j, k), MINC (k, j, i)."""
    nib = require("nibabel")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = nib.load(file)
        array = np.array(image.dataobj) if voxels else np.broadcast_to(0, image.shape)
        affine = RAS_TO_LPS @ image.affine
        del image
        gc.collect()  # nibabel leaves the pixels of PAR/REC open
    if file.suffix == ".mnc":
        return Seen(affine[:, [2, 1, 0, 3]], array)
    return Seen(affine, array.T)


def turned(seen: Seen, affine: NDArray[np.float64]) -> Seen:
    """Count slices from the other end where the reader does: the voxels stay where they are."""
    if float(seen.affine[:3, 2] @ affine[:3, 2]) >= 0:
        return seen
    slices = seen.array.shape[-3]
    matrix = seen.affine.copy()
    matrix[:3, 3] += (slices - 1) * matrix[:3, 2]
    matrix[:3, 2] *= -1
    return Seen(matrix, np.flip(seen.array, -3))
