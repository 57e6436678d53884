"""The plugin manager: finds installed plugins once, when they are first needed."""

from __future__ import annotations

from functools import cache

import pluggy

from vasculum import hookspecs


@cache
def plugin_manager() -> pluggy.PluginManager:
    """Give the manager with every installed plugin registered."""
    manager = pluggy.PluginManager("vasculum")
    manager.add_hookspecs(hookspecs)
    manager.load_setuptools_entrypoints("vasculum")
    return manager
