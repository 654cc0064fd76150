"""What a hub's records look like, so that a hub that changes its shape is noticed.

A shape lists every field a hub is known to send, with its type and the column it goes to; a field
without a column is kept raw, in the page (docs/FORMATS.md lists those). Counting compares records
with the shape and changes nothing: a record that drifted is still read as well as it can be.

A record that did not drift is told by its looks (names and types) among those that fitted before,
or else by three set operations; only the others are walked.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice
from types import NoneType
from typing import Any

from ptmtorrent.model.package import Change, Drift
from ptmtorrent.model.text import clean

MOST_NAMES = 100
"""Names counted as new, a page; they are the hub's, and there may be any number of them."""
LONGEST_NAME = 100
MOST_LOOKS = 100
"""Looks of rows that are remembered, a table and a page."""

_ANY = (str, int, float, bool, list, dict, date, datetime)
"""What JSON and YAML make of a value."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a record.

    Attributes:
        name: dotted, where it is in a table: ``metadata.model_sha``. The fields of the tables in a
            list carry the list's name; they are listed to be known, and are not compared.
        types: what JSON or YAML makes of it; ``object`` where authors write what they like. Null
            counts as absent; a boolean is no integer.
        column: ``table.column`` it goes to; None when it is kept raw.
        always: whether every record has it, or every table that may hold it.
        open: of a table, or of the tables in a list: whether they may have any keys besides those
            that the shape lists.
    """

    name: str
    types: type | tuple[type, ...]
    column: str | None = None
    always: bool = False
    open: bool = False


Shape = tuple[Field, ...]

_Row = Mapping[Any, Any]
_Changes = Iterator[tuple[str, Change]]


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of a shape, ready for comparing.

    Attributes:
        prefix: what stands before the names of its fields.
        fields: name in the table -> field.
        fitting: each name with each exact type it may have.
        always: names that must be there.
        tables: the tables in it whose keys are compared.
        open: whether other keys are free.
        fitted: names and types, one behind the other, of rows that were found to fit: most rows of
            a page are alike.
    """

    prefix: str
    fields: Mapping[str, Field]
    fitting: frozenset[tuple[Any, type]]
    always: frozenset[str]
    tables: tuple[tuple[str, "_Table"], ...]
    open: bool
    fitted: set[tuple[Any, ...]] = field(default_factory=set)


def drift_of(records: Iterable[object], shape: Shape) -> tuple[Drift, ...]:
    """How records differ from a shape, sorted by field.

    A record that is no table has no fields to compare. A field within a table counts only where
    that table is there, and a table of which the shape lists no key is not looked into.
    """
    known = _table(shape, "", is_open=False)
    counts: Counter[tuple[str, Change]] = Counter()
    for record in records:
        if isinstance(record, dict) and not _fits(record, known):
            counts.update(_old_changes(record, known))
            _count_new(counts, record, known)
    return tuple(sorted(Drift(name, change, n) for (name, change), n in counts.items()))


def _table(shape: Shape, prefix: str, *, is_open: bool) -> _Table:
    below = {one.name.removeprefix(prefix): one for one in shape if one.name.startswith(prefix)}
    fields = {name: one for name, one in below.items() if "." not in name}
    listed = {name.partition(".")[0] for name in below if "." in name}
    inner = {
        name: _table(shape, f"{one.name}.", is_open=one.open)
        for name, one in fields.items()
        if name in listed and {dict, object} & {*_types(one)}
    }
    return _Table(
        prefix=prefix,
        fields=fields,
        fitting=frozenset((name, t) for name, one in fields.items() for t in _exact_types(one)),
        always=frozenset(name for name, one in fields.items() if one.always),
        tables=tuple((name, table) for name, table in inner.items() if not _is_free(table)),
        open=is_open,
    )


def _is_free(table: _Table) -> bool:
    """Whether nothing in a table can be different."""
    any_type = all(object in _types(one) for one in table.fields.values())
    return table.open and any_type and not table.always and not table.tables


def _types(known: Field) -> tuple[type, ...]:
    return known.types if isinstance(known.types, tuple) else (known.types,)


def _exact_types(known: Field) -> tuple[type, ...]:
    types = _ANY if object in _types(known) else _types(known)
    return types if known.always else (*types, NoneType)


def _fits(record: _Row, known: _Table) -> bool:
    """Whether a record is as the shape says, seen quickly; False asks for a closer look."""
    if known.open:
        record = {name: record.get(name) for name in known.fields}
    if len(record) > len(known.fields):
        return False
    looks = (*record, *map(type, record.values()))
    if looks not in known.fitted:
        pairs = zip(record, map(type, record.values()), strict=True)
        if not (known.always <= record.keys() and known.fitting.issuperset(pairs)):
            return False
        if len(known.fitted) < MOST_LOOKS:
            known.fitted.add(looks)
    for name, table in known.tables:
        inner = record.get(name)
        if isinstance(inner, dict) and not _fits(inner, table):
            return False
    return True


def _old_changes(record: _Row, known: _Table) -> _Changes:
    """What became of the fields the shape has; each name comes once."""
    for name, one in known.fields.items():
        change = _change(one, record.get(name))
        if change is not None:
            yield one.name, change
    for name, table in known.tables:
        if isinstance(record.get(name), dict):
            yield from _old_changes(record[name], table)


def _change(known: Field, value: Any) -> Change | None:
    if value is None:
        return Change.GONE if known.always else None
    types = _types(known)
    if object in types or type(value) in types:
        return None
    fits = isinstance(value, types) and not isinstance(value, bool)
    return None if fits else Change.TYPE


def _count_new(counts: Counter[tuple[str, Change]], record: _Row, known: _Table) -> None:
    """Count a record's new names, each once, as long as there is room for another name."""
    names = frozenset(islice(_new(record, known), MOST_NAMES))
    room = MOST_NAMES - sum(change is Change.NEW for _, change in counts)
    for name in sorted(names):
        key = (name, Change.NEW)
        if key in counts:
            counts[key] += 1
        elif room:
            counts[key] = 1
            room -= 1


def _new(record: _Row, known: _Table) -> Iterator[str]:
    """Names the shape does not have, in the record and in the tables whose fields it lists."""
    if not known.open:
        for name in record:
            if name not in known.fields:
                yield known.prefix + _shown(name)
    for name, table in known.tables:
        if isinstance(record.get(name), dict):
            yield from _new(record[name], table)


def _shown(name: object) -> str:
    """A key as it may be kept; YAML also has keys that are no text."""
    if not isinstance(name, str):
        return f"<{type(name).__name__}>"
    return clean(name[:LONGEST_NAME])
