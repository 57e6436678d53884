"""Random queries over random catalogues give what a plain evaluator in Python gives."""

from __future__ import annotations

import fnmatch
import re
import shutil
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from vasculum.catalog import Catalog
from vasculum.model.description import Landmark, Segment
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

from .samples import put, put_subject, record

TEXTS = [
    "alpha",
    "Alpha",
    "beta gamma",
    "50%_x",
    "a\\b",
    "Ñandú",
    "日本",
    'q"uote',
    "10",
    "007",
    "1.5e1",
    "-3",
    "bad\udcff",
]
DATES = ["2019-01-05", "2019-11-30", "2020-02-01", ""]
NUMBERS = [0, 1, 1.5, 10, 15, 120]

attributes = st.fixed_dictionaries(
    {},
    optional={
        "KVP": st.lists(st.sampled_from([*NUMBERS, "1.50", "10", "0120"]), min_size=1, max_size=3).map(tuple),
        "Note": st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3).map(tuple),
        "ContentDate": st.sampled_from(["20190105", "20200201", "2018"]).map(lambda d: (d,)),
    },
)
one_series = st.fixed_dictionaries(
    {
        "kind": st.sampled_from([Kind.VOLUME, Kind.MESH, Kind.SEGMENTATION, Kind.LANDMARKS]),
        "label": st.sampled_from(TEXTS),
        "subject": st.integers(0, 2),
        "attributes": attributes,
        "names": st.lists(st.sampled_from(["jaw", "Skull", "alpha"]), max_size=2, unique=True),
        "source": st.none() | st.integers(0, 5),
    }
)
worlds = st.fixed_dictionaries(
    {
        "subjects": st.lists(
            st.fixed_dictionaries(
                {"label": st.sampled_from(TEXTS), "date": st.sampled_from(DATES), "species": st.sampled_from(TEXTS)}
            ),
            min_size=3,
            max_size=3,
        ),
        "series": st.lists(one_series, min_size=1, max_size=7),
    }
)

fields = st.sampled_from(
    ["KVP", "note", "CONTENT-DATE", "kind", "label", "subject", "species", "study-date", "segment", "EchoTime"]
)
values = st.one_of(
    st.sampled_from(TEXTS),
    st.sampled_from(NUMBERS),
    st.sampled_from(
        ["*a*", "?lpha", "*", "1*", "201*", "2019", "2019-01", 2019, "mesh", "VOLUME", "jaw", "50%*", "a\\*", ""]
    ),
)
leaves: st.SearchStrategy[Query] = st.one_of(
    st.just(Everything()),
    st.builds(Compare, fields, st.sampled_from(list(Op)), values),
    st.builds(Between, fields, st.none() | values, st.none() | values),
    st.builds(
        Text,
        st.sampled_from(
            ["alpha", "beta", "gamma beta", '"beta gamma"', '"gamma beta"', "nandu", "日", "alp*", "+", "jaw alpha"]
        ),
    ),
    st.builds(
        Has, st.sampled_from(["segmentation", "mesh", "landmarks"]), st.sampled_from(["", "jaw", "SKULL", "al*"])
    ),
    st.builds(DerivedFrom, st.sampled_from(["s0", "s1", "alpha", "Ñandú"])),
)
queries = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda terms: And(tuple(terms))),
        st.lists(inner, max_size=3).map(lambda terms: Or(tuple(terms))),
        inner.map(Not),
    ),
    max_leaves=6,
)


class World:
    """The same records as lists and dictionaries, and queries over them by the letter of their meaning."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.series = [{**one, "id": f"s{n}"} for n, one in enumerate(given["series"])]
        self.subjects = given["subjects"]
        self.sources = {
            one["id"]: {f"s{one['source']}"} if one["source"] is not None and one["source"] < n else set()
            for n, one in enumerate(self.series)
        }

    def values(self, one: dict[str, Any], field: str) -> list[str]:
        above = self.subjects[one["subject"]]
        held = one["attributes"]
        found: dict[str, Any] = {
            "kvp": held.get("KVP", ()),
            "note": held.get("Note", ()),
            "contentdate": [_iso(date) for date in held.get("ContentDate", ())],
            "kind": [one["kind"].value],
            "label": [one["label"]],
            "subject": [above["label"]],
            "species": [above["species"]],
            "studydate": [above["date"]],
            "segment": one["names"] if one["kind"] is Kind.SEGMENTATION else [],
        }
        return [_text(value) for value in found.get(field.replace("-", "").lower(), ()) if value != ""]

    def holds(self, one: dict[str, Any], query: Query, level: Level) -> bool:
        match query:
            case Everything():
                return True
            case And(terms):
                return all(self.holds(one, term, level) for term in terms)
            case Or(terms):
                return any(self.holds(one, term, level) for term in terms)
            case Not(term):
                return not self.holds(one, term, level)
            case Compare(field, op, value):
                return any(_compares(v, op, value, "date" in field.lower()) for v in self.values(one, field))
            case Between(field, low, high):
                return any(_lies(v, low, high, "date" in field.lower()) for v in self.values(one, field))
            case Text(words):
                return self.says(one, words)
            case Has(kind, name):
                if level is not Level.SERIES:
                    return any(s["subject"] == one["subject"] and self.is_part(s, kind, name) for s in self.series)
                family = (
                    {one["id"]} | self.up(one["id"]) | {s["id"] for s in self.series if one["id"] in self.up(s["id"])}
                )
                return any(s["id"] in family and self.is_part(s, kind, name) for s in self.series)
            case DerivedFrom(target):
                roots = {s["id"] for s in self.series if target in (s["id"],) or self.called(s, target)}
                return bool(self.up(one["id"]) & roots)

    def called(self, one: dict[str, Any], target: str) -> bool:
        labels = (one["label"], self.subjects[one["subject"]]["label"])
        return target.casefold() in [label.casefold() for label in labels]

    def up(self, name: str) -> set[str]:
        direct = self.sources[name]
        return direct | {further for source in direct for further in self.up(source)}

    def is_part(self, one: dict[str, Any], kind: str, name: str) -> bool:
        if one["kind"].value != kind:
            return False
        names = [one["label"], *(one["names"] if kind in ("segmentation", "landmarks") else [])]
        return not name or any(_compares(n, Op.EQ, name, False) for n in names)

    def says(self, one: dict[str, Any], words: str) -> bool:
        above = self.subjects[one["subject"]]
        named = one["names"] if one["kind"] in (Kind.SEGMENTATION, Kind.LANDMARKS) else []
        note = [text for texts in one["attributes"].values() for text in texts if isinstance(text, str)]
        every = [one["label"], above["label"], above["species"], *named, *note]
        tokens = [_tokens(text) for text in every]
        wanted = re.findall(r'"[^"]*"|\S+', words)
        if not any(_tokens(w) for w in wanted):
            return False
        return all(any(_within(_tokens(w), t, w.endswith("*")) for t in tokens) for w in wanted if _tokens(w))


def _text(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _iso(date: str) -> str:
    return "-".join(part for part in (date[:4], date[4:6], date[6:]) if part) if date.isdigit() else date


def _number(value: object) -> float | None:
    text = _text(value)
    return float(text) if re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?(e\d+)?", text) else None


def _compares(value: str, op: Op, wanted: Any, date: bool) -> bool:
    text = _iso(_text(wanted)) if date else _text(wanted)
    if op is Op.EXACT:
        return value == text
    number = None if date else _number(wanted)
    mine, theirs = value.casefold(), text.casefold()
    if op is Op.EQ:
        if number is not None:
            return mine == theirs or _number(value) == number
        pattern = theirs + ("*" if date else "")
        return fnmatch.fnmatchcase(mine, pattern.replace("[", "[[]"))
    if number is not None:
        have = _number(value)
        if have is None:
            return False
        return {Op.LT: have < number, Op.LE: have <= number, Op.GT: have > number, Op.GE: have >= number}[op]
    after = theirs + "\U0010ffff" if date and op in (Op.GT, Op.LE) else theirs
    return {Op.LT: mine < after, Op.LE: mine <= after, Op.GT: mine > after, Op.GE: mine >= after}[op]


def _lies(value: str, low: Any, high: Any, date: bool) -> bool:
    numbers = [_number(end) for end in (low, high) if end is not None]
    if not date and None not in numbers:
        have = _number(value)
        return (
            have is not None
            and (low is None or have >= _number(low))  # type: ignore[operator]
            and (high is None or have <= _number(high))  # type: ignore[operator]
        )
    start, end = ((_iso(_text(e)) if date else _text(e)).casefold() if e is not None else None for e in (low, high))
    mine = value.casefold()
    return (start is None or mine >= start) and (end is None or mine < end + "\U0010ffff")


def _tokens(text: str) -> list[str]:
    plain = text.casefold().replace("ñ", "n").replace("ú", "u")
    return re.findall(r"[日本]|[a-z0-9]+", plain.encode("utf-8", "ignore").decode())


def _within(wanted: list[str], tokens: list[str], prefix: bool) -> bool:
    for start in range(len(tokens) - len(wanted) + 1):
        run = tokens[start : start + len(wanted)]
        if run[:-1] == wanted[:-1] and (run[-1] == wanted[-1] or (prefix and run[-1].startswith(wanted[-1]))):
            return True
    return False


def build(catalog: Catalog, world: World) -> None:
    with catalog.transaction() as writer:
        for n, subject in enumerate(world.subjects):
            put_subject(
                writer,
                f"u{n}",
                label=subject["label"],
                date=subject["date"],
                metadata={"species": subject["species"]},
            )
        for one in world.series:
            parts: dict[str, Any] = {}
            if one["kind"] is Kind.SEGMENTATION:
                parts["segments"] = tuple(
                    Segment(number=n + 1, name=name, label_value=n + 1) for n, name in enumerate(one["names"])
                )
            if one["kind"] is Kind.LANDMARKS:
                parts["landmarks"] = tuple(Landmark(label=name, position=(0.0, 0.0, 0.0)) for name in one["names"])
            series, description = record(
                one["id"],
                one["kind"],
                subject=f"u{one['subject']}",
                attributes=one["attributes"],
                label=one["label"],
                sources=tuple(world.sources[one["id"]]),
                **parts,
            )
            put(writer, (series, description))


@settings(max_examples=30)
@given(given=worlds, asked=st.lists(queries, min_size=6, max_size=16))
def test_queries_mean_what_they_say(blank: Path, tmp_path: Path, given: dict[str, Any], asked: list[Query]) -> None:
    path = tmp_path / "world.sqlite"
    for old in tmp_path.glob("world*"):
        old.unlink()
    shutil.copy(blank, path)
    world = World(given)
    with Catalog.open(path) as catalog:
        build(catalog, world)
        for query in asked:
            expected = {one["id"] for one in world.series if world.holds(one, query, Level.SERIES)}
            found = [series.id for series in catalog.find(query)]
            assert sorted(found) == sorted(expected), query
            assert catalog.count(query) == len(expected), query
            assert [s.id for s in catalog.find(query, limit=2)] == found[:2], query
            kinds = [one["kind"].value for one in world.series if one["id"] in expected]
            assert dict(catalog.facets(query, "kind")) == {kind: kinds.count(kind) for kind in kinds}, query
            if isinstance(query, Everything):
                continue  # a subject without series is still a subject
            owners = {f"u{one['subject']}" for one in world.series if world.holds(one, query, Level.SUBJECT)}
            if owners != {f"u{one['subject']}" for one in world.series}:
                assert {u.id for u in catalog.find(query, level=Level.SUBJECT)} == owners, query
                assert catalog.count(query, level=Level.SUBJECT) == len(owners), query
