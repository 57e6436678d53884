"""A query as conditions on series: what to walk, what to test, and how many to expect (rarest first)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from vasculum.catalog import dialect, fields, tables
from vasculum.errors import Invalid
from vasculum.model.kinds import Kind
from vasculum.model.query import (
    And,
    Between,
    Compare,
    DerivedFrom,
    Everything,
    Has,
    Level,
    Not,
    Op,
    Or,
    Query,
    Text,
)

from . import comparison, relatives

Number = sa.ColumnElement[int]
Rows = sa.SelectBase

FEW_TERMS = 8
"""Up to so many values are probed one by one; more are found through the field."""

MOST_TERMS = 200
"""So many values are named in a statement; more are found by their condition again."""

WORDS_COUNTED = 1000
"""More hits of words are guessed, not counted."""

WORDS_PROBE = 50.0
"""Testing one series for words costs as much as walking over so many."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A part of a query, ready for SQL."""

    test: Callable[[Number], sa.ColumnElement[bool]]
    """Says whether the series of a row number fulfils it."""
    rows: Rows | None
    """Selects the row numbers ``n`` that fulfil it; None where it can only be tested."""
    estimate: int
    """How many series to expect at most."""
    exact: bool = False
    """The estimate is the count."""
    distinct: bool = False
    """`rows` has every row number once."""
    probe: float = 1.0
    """What one test costs, in steps of a walk."""


class Compiler:
    """Makes conditions of queries, looking up values and their kept counts on the way."""

    def __init__(self, connection: sa.Connection, level: Level) -> None:
        self._connection = connection
        self._level = level
        self.total = connection.scalar(sa.select(sa.func.max(tables.series.c.n))) or 0
        """About how many series there are; to count them takes a walk over all."""

    def condition(self, query: Query) -> Condition:
        """Compile a query."""
        match query:
            case Everything():
                return self._everything()
            case And(terms):
                return self._all([self.condition(term) for term in _words_joined(terms)])
            case Or(terms):
                return self._any([self.condition(term) for term in terms])
            case Not(term):
                inner = self.condition(term)
                return Condition(
                    lambda n: sa.not_(inner.test(n)),
                    None,
                    self.total - inner.estimate * inner.exact,
                    probe=inner.probe,
                )
            case Compare():
                return self._compared(query)
            case Between():
                return self._terms(query.field, comparison.between(query))
            case Text():
                return self._text(query)
            case Has():
                return self._has(query)
            case DerivedFrom():
                rows = relatives.derived_from(query.target)
                return Condition(lambda n: n.in_(rows), rows, self.total)
        raise Invalid("this is not a query")

    def key_id(self, field: str) -> int | None:
        """Give the number of a field, None where nothing holds it."""
        folded = fields.canonical(field)
        return self._connection.scalar(sa.select(tables.key.c.id).where(tables.key.c.folded == folded))

    def _everything(self) -> Condition:
        return Condition(lambda _n: sa.true(), None, self.total)

    def _nothing(self) -> Condition:
        rows = sa.select(tables.series.c.n).where(sa.false())
        return Condition(lambda _n: sa.false(), rows, 0, exact=True)

    def _all(self, conditions: Sequence[Condition]) -> Condition:
        if not conditions:
            return self._everything()
        probes = sum(c.probe for c in conditions)
        ordered = sorted(conditions, key=lambda c: (c.rows is None, c.estimate * (1 + probes - c.probe), c.probe))
        driver, others = ordered[0], ordered[1:]
        rows = driver.rows
        if rows is not None and others:
            walked = rows.subquery()
            rows = sa.select(walked.c.n).where(*(other.test(walked.c.n) for other in others))
        estimate = min(c.estimate for c in conditions)
        return Condition(
            lambda n: sa.and_(*(c.test(n) for c in ordered)),
            rows,
            estimate,
            exact=len(ordered) == 1 and driver.exact,
            distinct=driver.distinct,
            probe=probes,
        )

    def _any(self, conditions: Sequence[Condition]) -> Condition:
        if not conditions:
            return self._nothing()
        selects = [c.rows for c in conditions if c.rows is not None]
        rows = None
        if len(selects) == len(conditions):
            rows = sa.union_all(*(sa.select(select.subquery().c.n) for select in selects))
        estimate = min(self.total, sum(c.estimate for c in conditions))
        probes = sum(c.probe for c in conditions)
        return Condition(lambda n: sa.or_(*(c.test(n) for c in conditions)), rows, estimate, probe=probes)

    def _compared(self, query: Compare) -> Condition:
        rows = comparison.in_columns(query)
        if rows is not None:
            own = rows.selected_columns.n
            return Condition(lambda n: sa.exists(rows.where(own == n)), rows, self.total, distinct=True)
        return self._terms(query.field, comparison.compared(query))

    def _terms(self, field: str, wanted: comparison.Wanted) -> Condition:
        key = self.key_id(field)
        if key is None:
            return self._nothing()
        t, p = tables.term.c, tables.posting.c
        where = (t.key_id == key) & wanted.terms
        found = self._connection.execute(sa.select(t.id, t.n).where(where).limit(MOST_TERMS + 1)).all()
        ids = [row.id for row in found]
        few = len(ids) <= MOST_TERMS
        named: Any = ids if few else sa.select(t.id).where(where)
        held = (
            sum(row.n for row in found) if few else self._connection.scalar(sa.select(sa.func.sum(t.n)).where(where))
        )
        estimate = min(self.total, held or 0)
        rows = sa.select(p.series_n.label("n")).where(_one_of(p.term_id, named))

        def test(n: Number) -> sa.ColumnElement[bool]:
            if len(ids) <= FEW_TERMS:
                return sa.exists().where(_one_of(p.term_id, named), p.series_n == n)
            return sa.exists().where(p.key_id == key, p.series_n == n, t.id == p.term_id, wanted.terms)

        single = len(ids) <= 1
        plain = Condition(test, rows, estimate, exact=single, distinct=single)
        return self._with_spans(key, wanted, plain)

    def _with_spans(self, key: int, wanted: comparison.Wanted, plain: Condition) -> Condition:
        """Add series with more values than are posted, where the wanted lies between the least and the greatest."""
        within = wanted.spans
        if within is None:
            return plain
        s = tables.span.c
        counted = sa.select(sa.func.count()).select_from(tables.span).where(s.key_id == key, within)
        count = self._connection.scalar(counted) or 0
        if not count:
            return plain
        spans = Condition(
            lambda n: sa.exists().where(s.key_id == key, s.series_n == n, within),
            sa.select(s.series_n.label("n")).where(s.key_id == key, within),
            count,
        )
        return self._any([plain, spans])

    def _text(self, query: Text) -> Condition:
        expression = dialect.match_expression(query.words)
        if not expression:
            return self._nothing()
        rows = dialect.words_matching(expression)
        few = rows.subquery()
        counted = sa.select(sa.func.count()).select_from(sa.select(few.c.n).limit(WORDS_COUNTED).subquery())
        count = self._connection.scalar(counted) or 0
        estimate = count if count < WORDS_COUNTED else max(count, self.total // 4)
        matched = rows.subquery()
        return Condition(
            lambda n: sa.exists(sa.select(matched.c.n).where(matched.c.n == n)),
            sa.select(rows.subquery().c.n),
            estimate,
            exact=count < WORDS_COUNTED,
            distinct=True,
            probe=WORDS_PROBE,
        )

    def _has(self, query: Has) -> Condition:
        if query.kind not in set(Kind):
            raise Invalid("there is no such kind of series", hint=f"one of {', '.join(Kind)}")
        holders = self._holders(Kind(query.kind), query.name)
        rows = relatives.with_relatives(holders, self._level)
        return Condition(lambda n: n.in_(rows), rows, self.total)

    def _holders(self, kind: Kind, name: str) -> Rows:
        wanted: list[Query] = [Compare("kind", Op.EXACT, kind.value)]
        if name:
            names: list[Query] = [Compare("label", Op.EQ, name)]
            if kind is Kind.SEGMENTATION:
                names += [Compare("segment", Op.EQ, name), Compare("segment-type", Op.EQ, name)]
            elif kind is Kind.LANDMARKS:
                names.append(Compare("landmark", Op.EQ, name))
            wanted.append(Or(tuple(names)))
        rows = self.condition(And(tuple(wanted))).rows
        assert rows is not None, "comparisons of terms can be walked"
        return rows


def _one_of(column: Any, ids: Any) -> sa.ColumnElement[bool]:
    """Say that a column is one of the ids; a single one by equality, whose walk is in order."""
    single = isinstance(ids, list) and len(ids) == 1
    condition: sa.ColumnElement[bool] = column == ids[0] if single else column.in_(ids)
    return condition


def _words_joined(terms: Sequence[Query]) -> list[Query]:
    """Make one search of all words of a conjunction: the text index intersects them far faster than tests do."""
    words = [term for term in terms if isinstance(term, Text)]
    others: list[Query] = [term for term in terms if not isinstance(term, Text)]
    if words and all(dialect.match_expression(term.words) for term in words):
        return [*others, Text(" ".join(term.words for term in words))]
    return list(terms)
