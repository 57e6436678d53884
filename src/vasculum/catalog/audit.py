"""The audit chain: every row holds the SHA-256 of itself and of the digest before it, so a changed row shows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa

from vasculum.errors import Invalid
from vasculum.model.records import AuditEvent

from . import tables
from .encode import time_text
from .rows import audit_of

ACTIONS = frozenset("CRUDE")


def append(
    connection: sa.Connection,
    *,
    action: str,
    event: str,
    agent: str,
    objects: Sequence[str],
    time: datetime,
    outcome: int,
) -> AuditEvent:
    """Add an event to the chain, within the transaction of what it tells of."""
    if action not in ACTIONS:
        raise Invalid("an audit action is one of C, R, U, D, E")
    a = tables.audit.c
    last = connection.execute(sa.select(a.sequence, a.digest).order_by(a.sequence.desc()).limit(1)).first()
    bare = AuditEvent(
        sequence=1 if last is None else last.sequence + 1,
        time=time,
        action=action,
        event=event,
        agent=agent,
        objects=tuple(objects),
        outcome=outcome,
    )
    digest = chained("" if last is None else last.digest, bare)
    row = {
        "sequence": bare.sequence,
        "time": time_text(time),
        "action": action,
        "event": event,
        "agent": agent,
        "objects": "\n".join(objects),
        "outcome": outcome,
        "digest": digest,
    }
    connection.execute(sa.insert(tables.audit), row)
    return replace(bare, digest=digest)


def chained(before: str, event: AuditEvent) -> str:
    """Give the digest of an event that follows the one with digest `before`."""
    said = [
        before,
        event.sequence,
        time_text(event.time),
        event.action,
        event.event,
        event.agent,
        list(event.objects),
        event.outcome,
    ]
    return hashlib.sha256(json.dumps(said).encode("ascii")).hexdigest()


def first_broken(connection: sa.Connection) -> str:
    """Walk the chain; say in words what is wrong with the first row that does not fit, or nothing if all do."""
    before = ""
    statement = sa.select(tables.audit).order_by(tables.audit.c.sequence)
    found = connection.execution_options(yield_per=1000).execute(statement)
    for number, row in enumerate(found, 1):
        if row.sequence != number:
            return f"audit row {number} is missing"
        if chained(before, audit_of(row)) != row.digest:
            return f"audit row {number} was changed"
        before = row.digest
    return ""
