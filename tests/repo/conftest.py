"""Folders to import, made from nothing, and repositories to import them into."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import vasculum
from vasculum.formats import nrrd, segnrrd
from vasculum.model.description import Segment
from vasculum.model.geometry import Geometry
from vasculum.repo.repository import Repository


def _oblique() -> np.ndarray:
    """Turn by 20° about z, then 35° about x; 0.9 × 0.8 × 2 mm."""
    a, b = np.radians((20, 35))
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine = np.eye(4)
    affine[:3, :3] = about_x @ about_z @ np.diag([0.9, 0.8, 2.0])
    affine[:3, 3] = (-10, 5, 30)
    return affine


OBLIQUE = _oblique()


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    """Give an empty repository."""
    with vasculum.init_repository(tmp_path / "a repository") as made:
        yield made


@pytest.fixture
def specimen(tmp_path: Path) -> Path:
    """Make the folder of one specimen: a volume, a segmentation, landmarks, notes, and a table about it."""
    folder = tmp_path / "in" / "UWBM Mamm 0082411"
    folder.mkdir(parents=True)
    geometry = Geometry.from_affine(OBLIQUE, (7, 8, 9))
    voxels = np.random.default_rng(1).integers(-1000, 2000, (7, 8, 9)).astype(np.int16)
    nrrd.write(folder / "CT.nrrd", voxels, geometry)
    segment = Segment(number=1, name="mandible", label_value=1, id="Segment_1", color=(1.0, 0.5, 0.0))
    segnrrd.write(folder / "Skull.seg.nrrd", (voxels > 500).astype(np.uint8), geometry, (segment,))
    points = [{"id": "1", "label": "bregma Ñ", "position": [1.25, -2.5, 3.125], "positionStatus": "defined"}]
    markup = {"type": "Fiducial", "coordinateSystem": "LPS", "coordinateUnits": "mm", "controlPoints": points}
    (folder / "LM.mrk.json").write_text(json.dumps({"markups": [markup]}), "utf-8")
    (folder / "notes.txt").write_text("found in a drawer", "utf-8")
    (tmp_path / "about.csv").write_text(
        "subject,species,strain,accession,locality\n"
        'UWBM:Mamm:0082411,Mus musculus,BKS.Cg-Dock7m +/+ Leprdb/J,UWBM:Mamm:0082411,"Ñandú, 日本"\n',
        "utf-8",
    )
    return folder.parent
