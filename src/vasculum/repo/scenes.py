"""What scenes tell: the files that one scene names belong to one subject."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Sequence

from vasculum.model.kinds import Kind
from vasculum.repo.drafts import Draft
from vasculum.repo.naming import folder_identity, identity, stem

Family = list[Draft]


def scene_families(drafts: Sequence[Draft]) -> list[Family]:
    """Gather scenes with the files that they name; scenes that share a file are one family. Only real files count."""
    by_path = {_forward(f.path): d for d in drafts for f in d.files.values()}
    family_of: dict[int, Family] = {}
    for scene in drafts:
        if scene.description.kind is not Kind.SCENE:
            continue
        folder = posixpath.dirname(_forward(scene.path))
        targets = (r.target for r in scene.description.references if r.how == "path")
        named = [by_path.get(posixpath.normpath(posixpath.join(folder, t))) for t in targets]
        members = [scene, *(d for d in named if d is not None)]
        merged = {id(d): d for m in members for d in family_of.get(id(m), [m])}
        family = list(merged.values())
        family_of |= {id(d): family for d in family}
    return [f for f in {id(f): f for f in family_of.values()}.values() if len(f) > 1]


def family_label(family: Family) -> str:
    """Name a family: after its one volume, where it has but one; else after the innermost folder that holds it all."""
    volumes = [d for d in family if d.description.kind is Kind.VOLUME]
    if len(volumes) == 1 and (label := identity(stem(volumes[0].path))):
        return label
    inside = [os.path.relpath(d.path, os.path.dirname(d.root)) for d in family]
    shared = os.path.commonpath([os.path.dirname(p) for p in inside])
    return folder_identity(_forward(shared).split("/")) or stem(family[0].path)


def _forward(path: str) -> str:
    return path.replace(os.sep, "/")
