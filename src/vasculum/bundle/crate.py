"""RO-Crate 1.1 metadata: what every member is, where it comes from, its SHA-256 (https://w3id.org/ro/crate/1.1).

Written by hand: the crate is one JSON-LD file among the members of a zip, and needs no folder on disk.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from vasculum.model.records import Activity, Subject

from .record import plain
from .report import PackedMember

CRATE_NAME = "ro-crate-metadata.json"
CONTEXT = "https://w3id.org/ro/crate/1.1/context"
PROFILE = "https://w3id.org/ro/crate/1.1"

DARWIN_CORE = {
    "species": "scientificName",
    "scientific_name": "scientificName",
    "genus": "genus",
    "family": "family",
    "sex": "sex",
    "catalogue_number": "catalogNumber",
    "catalog_number": "catalogNumber",
    "accession": "otherCatalogNumbers",
    "institution_code": "institutionCode",
    "collection_code": "collectionCode",
    "developmental_stage": "lifeStage",
    "life_stage": "lifeStage",
    "preparation": "preparations",
    "locality": "locality",
    "country": "country",
    "collected": "eventDate",
    "collector": "recordedBy",
    "occurrence_id": "occurrenceID",
}
"""Terms of Darwin Core by our field name; other fields keep their own name."""

_DWC = "http://rs.tdwg.org/dwc/terms/"
_LICENCE_FIELDS = ("license", "licence", "rights")


def write_crate(
    members: Sequence[PackedMember],
    *,
    subject: Subject,
    activities: Sequence[Activity],
    when: datetime,
    software: str,
) -> bytes:
    """Give ``ro-crate-metadata.json``.

    Parameters
    ----------
    members
        All members of the zip but this one.
    activities
        What made the series; packing itself is added.
    software
        Name and version of what packs.
    """
    names, _, version = software.rpartition(" ")
    agent = {"@id": "#software", "@type": "SoftwareApplication", "name": names or software, "version": version}
    properties = _subject_properties(subject)
    entities = [
        {
            "@id": CRATE_NAME,
            "@type": "CreativeWork",
            "conformsTo": {"@id": PROFILE},
            "about": {"@id": "./"},
        },
        _root(members, subject, when),
        {
            "@id": "#subject",
            "@type": "Thing",
            "name": subject.label,
            "identifier": subject.label,
            "additionalType": str(subject.kind),
            "additionalProperty": [{"@id": p["@id"]} for p in properties],
        },
        *properties,
        *(_file(member) for member in members),
        agent,
        _packing(members, when),
        *(entity for activity in activities for entity in _activity(activity, members)),
    ]
    document = {"@context": CONTEXT, "@graph": entities}
    return json.dumps(document, ensure_ascii=True, indent=1).encode() + b"\n"


def file_id(name: str) -> str:
    """Give the ``@id`` of a member: its name as a relative URI reference."""
    return quote(name, safe="/()+,;=@!$&'*~._-")


def _root(members: Sequence[PackedMember], subject: Subject, when: datetime) -> dict[str, Any]:
    root: dict[str, Any] = {
        "@id": "./",
        "@type": "Dataset",
        "name": subject.label,
        "description": f"Images and derived data of {subject.label}, as one file that is an MRB and a DICOM file-set",
        "datePublished": when.isoformat(),
        "hasPart": [{"@id": file_id(member.name)} for member in members],
        "about": {"@id": "#subject"},
        "mentions": [{"@id": "#pack"}],
    }
    licence = next((subject.metadata[f] for f in _LICENCE_FIELDS if subject.metadata.get(f)), "")
    if licence:
        root["license"] = str(licence)
    return root


def _file(member: PackedMember) -> dict[str, Any]:
    entity: dict[str, Any] = {
        "@id": file_id(member.name),
        "@type": "File",
        "name": member.name,
        "description": member.what,
        "encodingFormat": member.media_type,
        "contentSize": str(member.size),
        "sha256": member.sha256,
    }
    if member.original_name:
        entity["alternateName"] = member.original_name
    if member.series:
        entity["identifier"] = member.series
        entity["about"] = {"@id": "#subject"}
    return entity


def _subject_properties(subject: Subject) -> list[dict[str, Any]]:
    properties = []
    for number, (name, value) in enumerate(subject.metadata.items(), start=1):
        entity = {"@id": f"#property-{number}", "@type": "PropertyValue", "name": name, "value": plain(value)}
        if name in DARWIN_CORE:
            entity["propertyID"] = _DWC + DARWIN_CORE[name]
        properties.append(entity)
    return properties


def _packing(members: Sequence[PackedMember], when: datetime) -> dict[str, Any]:
    return {
        "@id": "#pack",
        "@type": "CreateAction",
        "name": "pack",
        "endTime": when.isoformat(),
        "instrument": {"@id": "#software"},
        "object": {"@id": "#subject"},
        "result": [{"@id": file_id(member.name)} for member in members],
    }


def _activity(activity: Activity, members: Sequence[PackedMember]) -> list[Mapping[str, Any]]:
    """PROV activity and agent as CreateAction and its agent; what it generated are the members of those series."""
    results = [{"@id": file_id(m.name)} for m in members if m.series and m.series in activity.generated]
    agent_id = f"#agent-of-{activity.id}"
    person = activity.agent.kind == "person"
    agent = {"@id": agent_id, "@type": "Person" if person else "SoftwareApplication", "name": activity.agent.name}
    if activity.agent.version:
        agent["version"] = activity.agent.version
    action = {
        "@id": f"#activity-{activity.id}",
        "@type": "CreateAction",
        "name": activity.type,
        "startTime": activity.started.isoformat(),
        "agent" if person else "instrument": {"@id": agent_id},
        "result": results,
    }
    return [action, agent]
