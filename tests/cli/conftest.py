"""A repository with the samples in it, and a way to call the command."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from vasculum.cli.main import run
from vasculum.samples import METADATA_TABLE, SAMPLES


@dataclass(frozen=True)
class Called:
    """What a call of the command gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Called]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Call the command in this process."""

    def call(*words: object) -> Called:
        capsys.readouterr()
        code = run([str(word) for word in words])
        captured = capsys.readouterr()
        return Called(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a repository that holds the samples. Not to be changed."""
    import vasculum

    root = tmp_path_factory.mktemp("cli") / "repository"
    with vasculum.init_repository(root) as repository:
        repository.execute(repository.plan_import([SAMPLES], metadata=SAMPLES / METADATA_TABLE))
    return root


@pytest.fixture
def own(filled: Path, tmp_path: Path) -> Path:
    """Give a copy of that repository, to be changed."""
    return Path(shutil.copytree(filled, tmp_path / "repository"))
