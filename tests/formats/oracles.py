"""What SimpleITK and nibabel read from the same file: affines in LPS, values in the order of our axes."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.interop import require
from vasculum.formats.registry import format_named
from vasculum.model.description import Description
from vasculum.model.geometry import RAS_FROM_LPS


def read(description: Description, folder: Path) -> NDArray[Any]:
    """Read the voxels of a description with our own code."""
    port: Any = format_named(description.format)
    array: NDArray[Any] = port.read_voxels(description, lambda name: folder / name)
    return array


def itk_image(path: Path) -> Any:
    """Read a file with SimpleITK, its own warnings silenced."""
    sitk = require("SimpleITK")
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    return sitk.ReadImage(str(path))


def itk_header(path: Path) -> Any:
    """Read the header of a file with SimpleITK."""
    sitk = require("SimpleITK")
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    return reader


def itk_affine(image: Any) -> NDArray[np.float64]:
    """Give the index → LPS matrix, with ones where the image has fewer than three axes."""
    axes = image.GetDimension()
    matrix = np.eye(4)
    used = min(axes, 3)
    direction = np.reshape(image.GetDirection(), (axes, axes)) * image.GetSpacing()
    matrix[:used, :used] = direction[:used, :used]
    matrix[:used, 3] = image.GetOrigin()[:used]
    return matrix


def itk_values(image: Any, axes: str) -> NDArray[Any]:
    """Give the values; components of a vector image, which ITK has last, go where our axes have them."""
    array: NDArray[Any] = require("SimpleITK").GetArrayFromImage(image)
    if axes.startswith("t") and image.GetNumberOfComponentsPerPixel() > 1:
        array = np.moveaxis(array, -1, 0)
    return array[np.newaxis] if array.ndim == 2 else array


def nibabel_image(path: Path) -> Any:
    """Open a file with nibabel."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return require("nibabel").load(path)


def nibabel_affine(image: Any) -> NDArray[np.float64]:
    """Give the index → LPS matrix."""
    return np.asarray(RAS_FROM_LPS @ image.affine)


def nibabel_values(image: Any) -> NDArray[Any]:
    """Give the values, slowest axis first, without trailing axes of one."""
    array = np.asanyarray(image.dataobj)
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]
    return array.T
