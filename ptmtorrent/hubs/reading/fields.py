"""Reading one field of an untrusted JSON record: the value of the asked type, or nothing.

Hubs send free-form data: a string where a list should be, numbers beyond 64 bits, half a
surrogate pair. A field of another type counts as absent; the record as received is kept anyway.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from ptmtorrent.model.text import clean

_INT64 = 2**63


def text(record: Mapping[str, Any], name: str) -> str | None:
    """A non-empty string, or None."""
    value = record.get(name)
    return clean(value) or None if isinstance(value, str) else None


def integer(record: Mapping[str, Any], name: str) -> int | None:
    """A 64-bit integer, or None."""
    value = record.get(name)
    fits = isinstance(value, int) and not isinstance(value, bool) and -_INT64 <= value < _INT64
    return value if fits else None


def table(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A JSON object, or an empty one."""
    value = record.get(name)
    return value if isinstance(value, dict) else {}


def texts(record: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """A list of strings; a single string counts as a list of one; other members are left out."""
    value = record.get(name)
    values = value if isinstance(value, list) else [value]
    return tuple([clean(v) for v in values if isinstance(v, str) and v])


def instant(record: Mapping[str, Any], name: str) -> datetime | None:
    """An ISO 8601 time as UTC, or None. A time without a zone is taken as UTC."""
    value = record.get(name)
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
        if at is None:
            return None
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def loads(data: str) -> Any:
    """JSON without its traps: NaN and Infinity are null, integers beyond 64 bits are floats.

    What the fast reader refuses (traps, half a surrogate pair) the slow one reads, or refuses too.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return _slow_loads(data)


def _slow_loads(data: str) -> Any:
    return json.loads(data, parse_constant=lambda _: None, parse_int=_number)


def _number(digits: str) -> int | float:
    value = int(digits) if len(digits) <= 20 else 2**64
    return value if -_INT64 <= value < 2**64 else float(digits)


def members(body: bytes) -> Iterator[Any]:
    """The members of a JSON array (or the one object), each on its own.

    A member that is not JSON comes as the ValueError that says why, and costs itself only.

    Raises:
        ValueError: the body is neither an array nor an object.
    """
    source = body.decode("utf-8", "replace").strip()
    if source[:1] not in ("[", "{"):
        raise ValueError("neither a JSON array nor an object")
    try:
        value = loads(source)
    except (ValueError, RecursionError):
        if source[:1] == "{" or source[-1:] != "]":
            raise ValueError("the JSON is cut off or malformed") from None
        yield from (_member(part) for part in _split(source))
        return
    yield from value if isinstance(value, list) else [value]


def _member(source: str) -> Any:
    try:
        return loads(source)
    except RecursionError:
        return ValueError("nested too deeply")
    except ValueError as error:
        return ValueError(f"not JSON: {error}")


def _split(source: str) -> Iterator[str]:
    """Cut the text of an array at its top-level commas."""
    depth, start, quoted, escaped = 0, 1, False, False
    for index, char in enumerate(source):
        if quoted:
            quoted = escaped or char != '"'
            escaped = char == "\\" and not escaped
        elif char == '"':
            quoted = True
        elif char in "[{":
            depth += 1
        elif char in "]}":
            depth -= 1
        if not quoted and depth == (0 if char == "]" else 1) and char in ",]":
            if source[start:index].strip() and (char == "," or depth == 0):
                yield source[start:index]
            start = index + 1
