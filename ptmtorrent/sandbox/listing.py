"""The listing of Hugging Face: filters, orders, and cursors that are predicates.

A cursor is the base64 of a query in Mongo's language that matches everything behind the last item
of a page. Only ``createdAt`` pages on what never changes; the others move under the reader, as
they do at the hub.
"""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from ptmtorrent.sandbox.exchange import Ask, Reply, ReplyError, json_reply
from ptmtorrent.sandbox.fields import LIST_FIELDS, chosen_fields, pick

PAGE_LIMIT = 1000
_SORTS = ("createdAt", "downloads", "lastModified", "likes", "trendingScore")

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Order:
    """A sort key and its direction."""

    key: str
    descending: bool

    def of(self, records: Iterable[Record]) -> list[Record]:
        """The records in order; equal ones by id, those without the key last."""
        if self.key == "createdAt":
            return sorted(records, key=_id, reverse=self.descending)
        named = sorted(records, key=_id)
        present = [record for record in named if record.get(self.key) is not None]
        present.sort(key=lambda record: record[self.key], reverse=self.descending)
        return present + [record for record in named if record.get(self.key) is None]

    def after(self, record: Record) -> dict[str, Any]:
        """The predicate of what comes behind ``record``."""
        beyond = "$lt" if self.descending else "$gt"
        if self.key == "createdAt":
            return {"_id": {beyond: record["_id"]}}
        value = record.get(self.key)
        same = {self.key: value, "_id": {"$gt": record["_id"]}}
        if value is None:
            return same
        return {"$or": [same, {self.key: {beyond: value}}, {self.key: None}]}


def page(ask: Ask, records: Iterable[Record], base: str) -> Reply:
    """One page of the listing.

    Args:
        ask: the request.
        records: every record that the client may see.
        base: scheme, host and port to write into the link to the next page.

    Raises:
        ReplyError: a parameter is wrong (400).
    """
    order, limit = _order(ask), page_limit(ask, PAGE_LIMIT)
    fields = chosen_fields(ask, LIST_FIELDS)
    found = order.of(record for record in records if _wanted(ask, record))
    if cursor := ask.last("cursor"):
        found = _behind(found, cursor)
    shown, more = found[:limit], len(found) > limit
    headers = {"Link": _next(ask, base, order.after(shown[-1]))} if more else {}
    return json_reply([pick(record, fields) for record in shown], headers=headers)


def page_limit(ask: Ask, most: int) -> int:
    """The page size that was asked for, at most ``most``; ReplyError (400) if it is no size."""
    text = ask.last("limit", str(most))
    if not (text.isascii() and text.isdigit() and int(text[:9]) > 0):
        raise bad_request("Invalid limit: expected a number above 0")
    return min(most, int(text[:9]))


def bad_request(message: str) -> ReplyError:
    """A 400 with a message."""
    return ReplyError(json_reply({"error": message}, 400, {"X-Error-Message": message}))


def link(base: str, path: str, query: Sequence[tuple[str, str]]) -> str:
    """A ``Link`` header that leads to the next page."""
    return f'<{base}{path}?{urlencode(query)}>; rel="next"'


def matches(record: Record, predicate: Any) -> bool:
    """Whether a record satisfies a predicate of the kind cursors hold.

    Raises:
        TypeError, ValueError: it is none.
    """
    if not isinstance(predicate, dict):
        raise TypeError("a predicate is an object")
    if "$or" in predicate:
        return any(matches(record, choice) for choice in predicate["$or"])
    return all(_holds(record.get(key), test) for key, test in predicate.items())


def encoded(predicate: Mapping[str, Any]) -> str:
    """A predicate as a cursor."""
    return base64.b64encode(json.dumps(predicate, separators=(",", ":")).encode()).decode()


def _behind(records: Iterable[Record], cursor: str) -> list[Record]:
    """The records that a cursor matches; it comes from outside and may be anything."""
    try:
        predicate = json.loads(base64.b64decode(cursor, validate=True))
        return [record for record in records if matches(record, predicate)]
    except (ValueError, TypeError, RecursionError):
        raise bad_request("Invalid cursor") from None


def _holds(value: Any, test: Any) -> bool:
    if not isinstance(test, dict):
        return bool(value == test)
    (sign, bound), *_ = test.items()
    if value is None or isinstance(value, str) != isinstance(bound, str):
        return False
    return bool(value < bound if sign == "$lt" else value > bound)


def _order(ask: Ask) -> Order:
    key = ask.last("sort", "trendingScore")
    if key not in _SORTS:
        raise bad_request(f"Invalid sort: expected one of {', '.join(_SORTS)}")
    return Order(key, descending=ask.last("direction", "-1") != "1")


def _wanted(ask: Ask, record: Record) -> bool:
    tags = {*record.get("tags", ()), record.get("pipeline_tag"), record.get("library_name")}
    asked = {name: ask.last(name) for name in ("author", "search", "gated", "pipeline_tag")}
    gated = "true" if record.get("gated") else "false"
    return (
        all(value in tags for name, value in ask.query if name == "filter")
        and asked["search"].lower() in record["id"].lower()
        and asked["author"].lower() in ("", record.get("author", "").lower())
        and asked["gated"] in ("", gated)
        and asked["pipeline_tag"] in ("", record.get("pipeline_tag"))
    )


def _next(ask: Ask, base: str, predicate: Mapping[str, Any]) -> str:
    kept = [(name, value) for name, value in ask.query if name != "cursor"]
    return link(base, ask.path, [*kept, ("cursor", encoded(predicate))])


def _id(record: Record) -> str:
    return str(record["_id"])
