"""Series by what they were made from, and by what was made from them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from vasculum.catalog import tables
from vasculum.catalog.values import fold
from vasculum.model.query import Level

Rows = sa.SelectBase


def _reached(start: Rows, *, down: bool) -> Any:
    """Walk the links from some series, however far; `down` is towards what was derived from them."""
    a = tables.link.alias()
    here, there = (a.c.source_n, a.c.series_n) if down else (a.c.series_n, a.c.source_n)
    reached = sa.select(start.subquery().c.n).cte(recursive=True)
    return reached.union(sa.select(there).join(reached, here == reached.c.n))


def with_relatives(holders: Rows, level: Level) -> Rows:
    """Select series, all that they were derived from and all that was derived from them.

    At the level of studies and subjects: all series of the studies or subjects that hold one.
    """
    if level is not Level.SERIES:
        s, other = tables.series.alias(), tables.series.alias()
        owner = "subject_n" if level is Level.SUBJECT else "study_n"
        owners = sa.select(other.c[owner]).where(other.c.n.in_(sa.select(holders.subquery().c.n)))
        return sa.select(s.c.n).where(s.c[owner].in_(owners))
    up, down = _reached(holders, down=False), _reached(holders, down=True)
    both = sa.union_all(sa.select(up.c.n), sa.select(down.c.n)).subquery()
    return sa.select(both.c.n)


def derived_from(target: str) -> Rows:
    """Select what was made, directly or not, from a series of that id, UID or label, or from any series of that subject."""
    s, u = tables.series.alias().c, tables.subject.alias().c
    subjects = sa.select(u.n).where((u.id == target) | (u.folded == fold(target)))
    roots = sa.union_all(
        sa.select(s.n).where(s.id == target),
        sa.select(s.n).where(s.uid == target),
        sa.select(s.n).where(s.folded == fold(target)),
        sa.select(s.n).where(s.subject_n.in_(subjects)),
    )
    a = tables.link.alias()
    first = sa.select(a.c.series_n.label("n")).where(a.c.source_n.in_(sa.select(roots.subquery().c.n)))
    reached = _reached(first, down=True)
    return sa.select(reached.c.n)
