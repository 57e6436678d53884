"""A new catalogue for every test, copied from one that was migrated once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from vasculum.catalog import Catalog

from .samples import colony


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("blank") / "catalog.sqlite"
    Catalog.create(path).close()
    return path


@pytest.fixture(scope="session")
def filled(blank: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("filled") / "catalog.sqlite"
    shutil.copy(blank, path)
    with Catalog.open(path) as made, made.transaction() as writer:
        colony(writer)
    return path


@pytest.fixture
def catalog(blank: Path, tmp_path: Path) -> Iterator[Catalog]:
    yield from _copied(blank, tmp_path)


@pytest.fixture
def bred(filled: Path, tmp_path: Path) -> Iterator[Catalog]:
    yield from _copied(filled, tmp_path)


def _copied(source: Path, folder: Path) -> Iterator[Catalog]:
    path = folder / "catalog ñ %20.sqlite"
    shutil.copy(source, path)
    with Catalog.open(path) as made:
        yield made
