"""Which fields a query may name, and which project it looks in."""

from __future__ import annotations

import sqlalchemy as sa

from vasculum.catalog import fields, tables
from vasculum.errors import Invalid, NotFound, QuerySyntax
from vasculum.model.kinds import Kind
from vasculum.model.query import And, Between, Compare, Has, Not, Op, Or, Query

from . import language


def parsed(connection: sa.Connection, text: str) -> Query:
    """Read a query, and refuse fields that are nowhere and mean nothing."""
    query = language.parse(text)
    _check(connection, query)
    return query


def within(connection: sa.Connection, query: Query | str, project: str) -> Query:
    """Give the tree of a query, limited to a project."""
    tree = parsed(connection, query) if isinstance(query, str) else query
    if not project:
        return tree
    p = tables.project.c
    name = connection.scalar(sa.select(p.name).where((p.id == project) | (p.name == project)))
    if name is None:
        raise NotFound("there is no project of that name or id")
    return And((Compare("project", Op.EXACT, name), tree))


def known(connection: sa.Connection, field: str) -> str:
    """Give the field back if it exists or could; raise Invalid with the nearest one."""
    if fields.is_known(field) or _in_use(connection, field):
        return field
    nearest = fields.nearest(field, field_names(connection))
    raise Invalid(f"there is no field {field[:60]}", hint=f"did you mean {nearest}?" if nearest else "")


def field_names(connection: sa.Connection) -> list[str]:
    """Name every field in use, and the built-in ones."""
    k, t = tables.key.c, tables.term.c
    used = connection.scalars(sa.select(k.name).where(sa.exists().where(t.key_id == k.id, t.n > 0)))
    return sorted({*used, *fields.BUILT_IN}, key=str.casefold)


def _in_use(connection: sa.Connection, field: str) -> bool:
    k = tables.key.c
    return connection.scalar(sa.select(k.id).where(k.folded == fields.canonical(field))) is not None


def _check(connection: sa.Connection, query: Query) -> None:
    match query:
        case And(terms) | Or(terms):
            for term in terms:
                _check(connection, term)
        case Not(term):
            _check(connection, term)
        case Compare(field=field, column=column) | Between(field=field, column=column):
            if not fields.is_known(field) and not _in_use(connection, field):
                nearest = fields.nearest(field, [*field_names(connection), *fields.ALIASES])
                raise QuerySyntax(f"there is no field {field[:60]}", column=column, suggestion=nearest)
        case Has(kind=kind, column=column) if kind not in set(Kind):
            raise QuerySyntax(
                f"there is no kind {kind[:60]}", column=column, suggestion=fields.nearest(kind, list(Kind))
            )
