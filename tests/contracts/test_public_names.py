"""The public surface is what `__all__` says, and small."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import vasculum
from vasculum import errors

SURFACE = [
    "Geometry",
    "Repository",
    "Volume",
    "check_bundle",
    "errors",
    "init_repository",
    "inspect",
    "open_bundle",
    "open_repository",
]
"""A new name here is a promise: document it in docs/reference/python.md."""


def test_the_surface_is_this() -> None:
    assert vasculum.__all__ == sorted(vasculum.__all__) == SURFACE


@pytest.mark.parametrize("name", SURFACE)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    assert inspect.getdoc(getattr(vasculum, name))


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'frobnicate'"):
        vasculum.frobnicate  # noqa: B018


def test_all_errors_are_public_documented_and_of_one_family() -> None:
    ours = {name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)}
    assert set(errors.__all__) == ours
    for name in ours:
        error = getattr(errors, name)
        assert issubclass(error, errors.VasculumError)
        assert error.__doc__


def test_the_repository_documents_its_methods() -> None:
    methods = inspect.getmembers(vasculum.Repository, inspect.isfunction)
    assert [name for name, method in methods if not name.startswith("_") and not inspect.getdoc(method)] == []


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = "{'numpy', 'pydicom', 'highdicom', 'SimpleITK', 'nibabel', 'sqlalchemy', 'h5py', 'rich', 'cyclopts'}"
    code = f"import sys, vasculum; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
