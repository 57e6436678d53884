"""vasculum: an image informatics system.

>>> import vasculum
>>> repo = vasculum.open_repository("vasculum-repo")  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vasculum import errors

if TYPE_CHECKING:
    from vasculum.bundle import inspect, open_bundle
    from vasculum.bundle.check import check as check_bundle
    from vasculum.model.geometry import Geometry
    from vasculum.model.voxels import Volume
    from vasculum.repo.repository import Repository, init_repository, open_repository

__all__ = [
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

_WHERE = {
    "Geometry": ("vasculum.model.geometry", "Geometry"),
    "Repository": ("vasculum.repo.repository", "Repository"),
    "Volume": ("vasculum.model.voxels", "Volume"),
    "check_bundle": ("vasculum.bundle.check", "check"),
    "init_repository": ("vasculum.repo.repository", "init_repository"),
    "inspect": ("vasculum.bundle", "inspect"),
    "open_bundle": ("vasculum.bundle", "open_bundle"),
    "open_repository": ("vasculum.repo.repository", "open_repository"),
}


def __getattr__(name: str) -> Any:
    """Import on first use: ``import vasculum`` and ``vasculum --help`` stay quick (PEP 562)."""
    if name not in _WHERE:
        raise AttributeError(f"module 'vasculum' has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _WHERE[name]
    return getattr(import_module(module), attribute)
