"""Real counterparts (slicer-core, dcmtk, strace ...): skipped at home where they are missing, required in CI."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def require(name: str, reason: str = "") -> Any:
    """Give an importable module or the path of a program; skip where it is missing.

    Parameters
    ----------
    name
        A module (``SimpleITK``, ``slicer.core``) or a program (``dcmdump``, ``dciodvfy``).
    reason
        What it is needed for, for the text of the skip.

    Returns
    -------
    ModuleType or str
        The module, or the path of the program.

    Notes
    -----
    With ``VASCULUM_REQUIRE_INTEROP=1`` a missing counterpart fails the test.
    """
    found = _module(name) or program(name)
    if found is not None:
        return found
    text = f"{name} is not installed" + (f" ({reason})" if reason else "")
    if os.environ.get("VASCULUM_REQUIRE_INTEROP") == "1":
        pytest.fail(text + "; VASCULUM_REQUIRE_INTEROP=1 wants it: see tools/install-interop.sh", pytrace=False)
    pytest.skip(text)


def program(name: str) -> str | None:
    """Find a program beside this Python or on PATH; None if it is nowhere."""
    beside = str(Path(sys.executable).parent)
    return shutil.which(name, path=beside) or shutil.which(name)


def _module(name: str) -> ModuleType | None:
    try:
        if importlib.util.find_spec(name) is None:
            return None
        return importlib.import_module(name)
    except (ImportError, ValueError):  # a parent is missing, a library of the system is missing
        return None
