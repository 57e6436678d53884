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

OBLIQUE = np.array([[0.9, 0.1, 0.0, -10.0], [-0.1, 0.8, 0.2, 5.0], [0.0, -0.2, 2.0, 30.0], [0, 0, 0, 1]])


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
