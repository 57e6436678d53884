"""Whose is it? Every series gets a subject, and a sentence that says why."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from vasculum.model.description import Attributes
from vasculum.model.kinds import Kind, SubjectKind
from vasculum.repo.drafts import Draft
from vasculum.repo.naming import bids_subject, common_identities, folder_identity, identity, is_prefix, normal, stem
from vasculum.repo.scenes import family_label, scene_families
from vasculum.repo.tables import MetadataTable

HUMAN = frozenset({"homo sapiens", "human"})

_PRIMARY = frozenset({Kind.VOLUME, Kind.IMAGE})


@dataclass(slots=True)
class Assigned:
    """A draft with its subject."""

    draft: Draft
    label: str
    why: str
    kind: SubjectKind = SubjectKind.SPECIMEN
    issuer: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    by_folder: bool = False
    """True where nothing but the name of a folder says whose it is."""

    @property
    def key(self) -> str:
        """Give the key of the subject: its label and who issued it."""
        return f"{self.issuer}\x1f{self.label}" if self.issuer else self.label


def assign_subjects(drafts: Sequence[Draft], tables: Sequence[MetadataTable]) -> list[Assigned]:
    """Give every draft a subject, by the strongest evidence that there is.

    In this order: the DICOM header; a row of a metadata table that names the file or the subject; BIDS names; the
    container that holds it; the scene that names it; the file name and that of the volume it belongs to; its grid; its folder.
    """
    assigned: dict[int, Assigned] = {}
    rest: list[Draft] = []
    for draft in drafts:
        sure = _from_header(draft) or _from_tables(draft, tables) or _from_bids(draft) or _from_container(draft)
        if sure is not None:
            assigned[id(draft)] = sure
        else:
            rest.append(draft)
    _follow_headers_in_containers(assigned.values())
    for family in scene_families(rest):
        label = family_label(family)
        assigned |= {id(d): Assigned(d, label, "a scene names it") for d in family}
    rest = [d for d in rest if id(d) not in assigned]
    for one in _from_names(rest, [a for a in assigned.values() if a.draft.description.kind in _PRIMARY]):
        assigned[id(one.draft)] = one
    return _told_apart([assigned[id(d)] for d in drafts])


def _told_apart(assigned: list[Assigned]) -> list[Assigned]:
    """Keep ``A/left`` and ``B/left`` apart: folders of one name in several places that all hold volumes."""
    places: dict[str, set[str]] = defaultdict(set)
    for one in assigned:
        if one.by_folder and one.draft.description.kind in _PRIMARY:
            places[one.label].add(_place(one))
    for one in assigned:
        if one.by_folder and len(places[one.label]) > 1 and (outer := folder_identity(_place(one).split("/")[:-1])):
            one.label = f"{outer}/{one.label}"
    return assigned


def _place(one: Assigned) -> str:
    """Give the path down to the folder that gave its name."""
    folders = _folders(one.draft)
    return "/".join(folders[: len(folders) - folders[::-1].index(one.label)]) if one.label in folders else ""


def _first(attributes: Attributes, name: str) -> str:
    values = attributes.get(name, ())
    return str(values[0]) if values else ""


def _from_header(draft: Draft) -> Assigned | None:
    dicom = draft.description.dicom
    if dicom is None or not (dicom.patient_id or dicom.study_instance_uid):
        return None
    attributes = draft.description.attributes
    species = _first(attributes, "PatientSpeciesDescription")
    animal = bool(species) and species.casefold() not in HUMAN
    metadata = {
        "species": species,
        "strain": _first(attributes, "StrainDescription"),
        "sex": _first(attributes, "PatientSex"),
    }
    return Assigned(
        draft=draft,
        label=dicom.patient_id or _without_patient_id(draft, dicom.study_instance_uid),
        why="Patient ID in the DICOM header"
        if dicom.patient_id
        else "the header has no Patient ID: one subject a study",
        kind=SubjectKind.ANIMAL if animal else SubjectKind.PATIENT,
        issuer=dicom.issuer_of_patient_id,
        metadata={k: v for k, v in metadata.items() if v},
    )


def _without_patient_id(draft: Draft, study_uid: str) -> str:
    import hashlib

    folder = folder_identity(_folders(draft)) or "unidentified"
    return f"{folder} {hashlib.sha256(study_uid.encode()).hexdigest()[:6]}"


def _from_tables(draft: Draft, tables: Sequence[MetadataTable]) -> Assigned | None:
    for table in tables:
        label = table.label_for_file(draft.path)
        if label:
            return Assigned(draft, label, f"the table {table.name} names this file")
        label = table.label_in_path(draft.path)
        if label:
            return Assigned(draft, label, f"the table {table.name} has a subject of this name")
    return None


def _from_bids(draft: Draft) -> Assigned | None:
    label = bids_subject(_inside(draft))
    return Assigned(draft, label, "BIDS name") if label else None


def _from_container(draft: Draft) -> Assigned | None:
    first = draft.files[draft.description.parts[0].name]
    if not first.container and not draft.description.members:
        return None
    container = first.path.split("!/", 1)[0]
    label = identity(stem(container)) or folder_identity(_folders(draft)) or stem(container)
    return Assigned(draft, label, f"in the container {os.path.basename(container)}")


def _follow_headers_in_containers(assigned: Iterable[Assigned]) -> None:
    """Give all of a container to the one subject that the DICOM headers in it name."""
    members: dict[str, list[Assigned]] = defaultdict(list)
    for one in assigned:
        container, _, member = one.draft.path.partition("!/")
        if member or one.draft.description.members:
            members[container].append(one)
    for container, family in members.items():
        named = {
            a.key: a for a in family if a.draft.description.dicom and a.label == a.draft.description.dicom.patient_id
        }
        if len(named) != 1:
            continue
        (header,) = named.values()
        for one in family:
            one.label, one.issuer, one.kind = header.label, header.issuer, header.kind
            one.why = f"the DICOM headers in {os.path.basename(container)}"


def _inside(draft: Draft) -> str:
    """Give the path of a draft below what the user named, that folder included."""
    parent = os.path.dirname(draft.root)
    return draft.path[len(parent) :] if parent and draft.path.startswith(parent) else draft.path


def _folders(draft: Draft) -> list[str]:
    return [p for p in _inside(draft).replace(os.sep, "/").split("/")[:-1] if p]


# --- by names, grids and folders -------------------------------------------------------------------------------------


def _from_names(drafts: Sequence[Draft], certain: Sequence[Assigned]) -> list[Assigned]:
    """Let names, grids and folders decide; `certain` are volumes whose subject is beyond doubt."""
    anchors = {id(d): a for d, a in _anchors(drafts)}
    under: dict[str, list[Assigned]] = defaultdict(list)
    for one in (*anchors.values(), *certain):
        for folder in _folders_above(one.draft):
            under[folder].append(one)
    shared = _shared_identities([d for d in drafts if id(d) not in anchors], under)
    known = sorted((*anchors.values(), *certain), key=lambda a: len(a.label), reverse=True)
    return [
        anchors.get(id(d)) or _follow(d, under[os.path.dirname(d.path)], known, shared.get(id(d), "")) for d in drafts
    ]


def _folders_above(draft: Draft) -> Iterator[str]:
    """Give the folder of a draft, and those above it down from the one that the user named."""
    folder = os.path.dirname(draft.path)
    yield folder
    while folder != draft.root and folder.startswith(draft.root):
        folder = os.path.dirname(folder)
        yield folder


def _anchors(drafts: Sequence[Draft]) -> list[tuple[Draft, Assigned]]:
    """Volumes and pictures name subjects: by their file names, or by their folders where the names are generic."""
    primary = [d for d in drafts if d.description.kind in _PRIMARY]
    stems: dict[str, list[str]] = defaultdict(list)
    for draft in primary:
        stems[os.path.dirname(draft.path)].append(stem(draft.path))
    anchors = []
    for draft in primary:
        own = stem(draft.path)
        shorter = [s for s in stems[os.path.dirname(draft.path)] if s != own and is_prefix(s, own)]
        base = min(shorter, key=len) if shorter else own
        label = identity(base)
        if label and len(draft.description.parts) == 1:
            anchors.append((draft, Assigned(draft, label, "its file name")))
        else:
            anchors.append((draft, _by_folder(draft, base)))
    return anchors


def _by_folder(draft: Draft, fallback: str) -> Assigned:
    label = folder_identity(_folders(draft))
    if label:
        return Assigned(draft, label, f"its folder {label}", by_folder=True)
    return Assigned(draft, fallback or stem(draft.path), "nothing but its own name says whose it is")


def _shared_identities(drafts: Sequence[Draft], under: Mapping[str, list[Assigned]]) -> dict[int, str]:
    """Where a folder holds no volumes, let its file names tell subjects apart: ``S01_left``, ``S01_right``, ``S02_left``."""
    groups: dict[str, list[Draft]] = defaultdict(list)
    for draft in drafts:
        folder = os.path.dirname(draft.path)
        if not under.get(folder):
            groups[folder].append(draft)
    found: dict[int, str] = {}
    for members in groups.values():
        labels = common_identities(stem(d.path) for d in members)
        found |= {id(d): labels[stem(d.path)] for d in members if stem(d.path) in labels}
    return found


def _joined(draft: Draft, other: Assigned, why: str) -> Assigned:
    """Give a draft the subject of another."""
    return Assigned(draft, other.label, why, other.kind, other.issuer, by_folder=other.by_folder)


def _own_name(one: Assigned) -> str:
    """Give the file name of a volume; the slices of a DICOM series are not named after it."""
    return "" if one.draft.description.dicom else stem(one.draft.path)


def _follow(draft: Draft, beside: list[Assigned], known: Sequence[Assigned], shared: str) -> Assigned:
    """Find the volume that a derived thing goes with."""
    own = stem(draft.path)
    for anchors, where in ((beside, "in its folder"), (known, "in this import")):
        named = [a for a in anchors if is_prefix(a.label, own) or is_prefix(_own_name(a), own)]
        if named:
            best = max(named, key=lambda a: len(normal(a.label)))
            why = f"named like {stem(best.draft.path)} {where}"
            return _joined(draft, best, why)
    grid = draft.description.geometry
    if grid is not None:
        grids = ((a, a.draft.description.geometry) for a in beside)
        same = {a.key: a for a, other in grids if other and grid.same_space(other)}
        if len(same) == 1:
            return _joined(draft, same.popitem()[1], "the same grid as a volume in its folder")
    keys = {a.key: a for a in beside}
    if len(keys) == 1:
        return _joined(draft, keys.popitem()[1], "the only subject in its folder")
    if shared:
        return Assigned(draft, shared, "file names in its folder share this beginning")
    return _by_folder(draft, identity(own))
