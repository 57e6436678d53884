"""MGH, AFNI, PAR/REC and MINC against nibabel, under other names too."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.formats import oracles
from vasculum.errors import Unreadable
from vasculum.formats.registry import recognise
from vasculum.model.geometry import RAS_FROM_LPS

FILES = {
    "test.mgz": "mgh",
    "example4d+orig.HEAD": "afni",
    "phantom_EPI_asc_CLEAR_2_1.PAR": "parrec",
    "small.mnc": "minc",
    "minc2_4d.mnc": "minc",
}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # nibabel leaves the REC file open
@pytest.mark.parametrize("name", FILES)
def test_real_files_agree_with_nibabel(shared_data: Path, tmp_path: Path, name: str) -> None:
    """The store keeps files under other names: compression and kind must not be told by them."""
    path = shared_data / "nifti" / "nibabel" / name
    port: Any = recognise(path)
    assert port.name == FILES[name]
    description = port.describe(path)
    for number, part in enumerate(description.parts):
        shutil.copyfile(path.parent / part.name, tmp_path / f"blob{number}")
    numbers = {part.name: f"blob{number}" for number, part in enumerate(description.parts)}
    array = port.read_voxels(description, lambda part: tmp_path / numbers[part])
    image = oracles.nibabel_image(path)
    theirs = np.asanyarray(image.dataobj)
    affine = np.asarray(image.affine, float)
    if FILES[name] == "minc":  # nibabel gives MINC slowest axis first
        affine = affine[:, [2, 1, 0, 3]]
    else:
        theirs = theirs.T
    assert np.array_equal(array, theirs)
    assert description.geometry is not None
    assert description.geometry.affine == pytest.approx(RAS_FROM_LPS @ affine)
    assert description.voxels is not None
    assert array.shape == description.voxels.sizes


def test_afni_against_the_same_nifti(shared_data: Path) -> None:
    """AFNI's own fields are among the attributes."""
    path = shared_data / "nifti" / "nibabel" / "example4d+orig.HEAD"
    description = recognise(path).describe(path)
    assert description.attributes["afni.DATASET_DIMENSIONS"][:3] == (33, 41, 25)
    assert [part.role for part in description.parts] == ["header", "voxels"]


def test_a_missing_companion_is_said(shared_data: Path, tmp_path: Path) -> None:
    shutil.copyfile(shared_data / "nifti" / "nibabel" / "example4d+orig.HEAD", tmp_path / "a+orig.HEAD")
    with pytest.raises(Unreadable, match="missing"):
        recognise(tmp_path / "a+orig.HEAD").describe(tmp_path / "a+orig.HEAD")
