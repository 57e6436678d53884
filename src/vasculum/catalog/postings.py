"""Writes the index: names of fields, values with their counts, postings, spans and words, a batch of series at a time."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa

from . import dialect, fields, tables
from .indexing import Entry
from .values import TERM_LENGTH, as_number, fold, storable

CACHED_TERMS = 400_000


class Index:
    """The index during one writing transaction; ids are handed out here, since no one else writes."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._keys: dict[str, int] = {}
        self._keys_by_name: dict[str, int] = {}
        self._terms: dict[tuple[int, str], int] = {}
        self._next_key = 0
        self._next_term = 0

    def post(self, entries: Mapping[int, Entry], posted: Mapping[int, bytes]) -> dict[int, bytes]:
        """Index series by their rows `n`; `posted` says under which terms some were before. Gives the new `posted`."""
        self._load_counters()
        ids = self._term_ids(entries)
        counts: Counter[int] = Counter()
        added: list[tuple[int, int, int]] = []
        removed: list[dict[str, int]] = []
        after: dict[int, bytes] = {}
        for n in entries:
            before = set(array("q", posted.get(n, b"")))
            now = dict(ids[n])
            after[n] = array("q", sorted(now)).tobytes()
            added += [(term, n, key) for term, key in now.items() if term not in before]
            gone = before - now.keys()
            removed += [{"t": term, "s": n} for term in gone]
            counts.update(term for term in now if term not in before)
            counts.subtract(gone)
        self._write_postings(added, removed, counts)
        self._write_spans(entries, posted)
        rows = [(n, storable(dialect.spread(entry.words))) for n, entry in entries.items()]
        dialect.put_words(self._connection, rows, [n for n in entries if n in posted])
        return after

    def forget(self, posted: Mapping[int, bytes]) -> None:
        """Take series out of the index."""
        nothing = Entry(terms=(), spans=(), words="")
        self.post(dict.fromkeys(posted, nothing), posted)
        dialect.put_words(self._connection, [], posted)

    def _load_counters(self) -> None:
        if not self._next_key:
            rows = self._connection.execute(sa.select(tables.key.c.id, tables.key.c.folded)).all()
            self._keys = {folded: number for number, folded in rows}
            self._next_key = max(self._keys.values(), default=0) + 1
            self._next_term = (self._connection.scalar(sa.select(sa.func.max(tables.term.c.id))) or 0) + 1

    def _key_ids(self, names: Iterable[str]) -> None:
        new: list[dict[str, object]] = []
        for name in names:
            folded = fields.canonical(name)
            number = self._keys.get(folded)
            if number is None:
                number = self._keys[folded] = self._next_key
                self._next_key += 1
                new.append({"id": number, "folded": folded, "name": fields.display(name)})
            self._keys_by_name[name] = number
        dialect.insert(self._connection, tables.key, new)

    def _term_ids(self, entries: Mapping[int, Entry]) -> dict[int, list[tuple[int, int]]]:
        known = self._keys_by_name
        self._key_ids({name for e in entries.values() for name, _ in e.terms if name not in known})
        self._key_ids({name for e in entries.values() for name, _, _ in e.spans if name not in known})
        wanted = {
            n: [(known[name], text[:TERM_LENGTH]) for name, text in entry.terms] for n, entry in entries.items()
        }
        if len(self._terms) > CACHED_TERMS:
            self._terms.clear()
        missing = list(dict.fromkeys(pair for pairs in wanted.values() for pair in pairs if pair not in self._terms))
        self._terms.update(dialect.term_ids(self._connection, missing))
        self._add_terms([pair for pair in missing if pair not in self._terms])
        return {n: [(self._terms[pair], pair[0]) for pair in pairs] for n, pairs in wanted.items()}

    def _add_terms(self, missing: Sequence[tuple[int, str]]) -> None:
        rows = []
        for key, text in missing:
            number = self._terms[key, text] = self._next_term
            self._next_term += 1
            rows.append(
                {"id": number, "key_id": key, "text": text, "folded": fold(text), "number": as_number(text), "n": 0}
            )
        dialect.insert(self._connection, tables.term, rows)

    def _write_postings(
        self, added: list[tuple[int, int, int]], removed: list[dict[str, int]], counts: Counter[int]
    ) -> None:
        p, t = tables.posting.c, tables.term.c
        if removed:
            where = (p.term_id == sa.bindparam("t")) & (p.series_n == sa.bindparam("s"))
            self._connection.execute(sa.delete(tables.posting).where(where), removed)
        dialect.put_postings(self._connection, sorted(added))
        changes = [{"i": term, "by": by} for term, by in counts.items() if by]
        if changes:
            statement = sa.update(tables.term).where(t.id == sa.bindparam("i")).values(n=t.n + sa.bindparam("by"))
            self._connection.execute(statement, changes)

    def _write_spans(self, entries: Mapping[int, Entry], posted: Mapping[int, bytes]) -> None:
        old = [{"s": n} for n in entries if n in posted]
        if old:
            self._connection.execute(sa.delete(tables.span).where(tables.span.c.series_n == sa.bindparam("s")), old)
        rows = [
            {"key_id": self._keys_by_name[name], "series_n": n, "low": low, "high": high}
            for n, entry in entries.items()
            for name, low, high in entry.spans
        ]
        dialect.insert(self._connection, tables.span, rows)
