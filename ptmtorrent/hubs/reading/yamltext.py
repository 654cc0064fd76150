"""YAML without its traps: text in, tables, lists, text, numbers, booleans and null out.

Cards and statistics are YAML 1.1 as its libraries write it, but nothing here needs more than JSON
can say. So what one library or another makes of a plain word does not matter:

* Only ``null``, ``true``, ``false`` and ordinary decimal numbers are other than text: no dates, no
  ``no`` for Norway, no octal, no sexagesimal, no infinity, no number beyond 18 digits.
* Tags are not obeyed: what is tagged is text, or the plain list or table that it is.
* Aliases are refused: a short file can stand for more than any memory holds, or for itself.
* Keys are text as written; of a key that comes twice the last one counts.

Format: yaml.org/spec/1.2.2, with the plain scalars of its JSON schema (10.2) in any of the three
usual spellings.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml  # type: ignore[import-untyped]

MOST_BYTES = 2**20
DEEPEST = 50
"""Lists and tables within each other."""

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"[-+]?[0-9]{0,18}\.[0-9]{1,18}(?:[eE][-+][0-9]{1,2})?")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def loads(data: bytes) -> Any:
    """The value of a YAML document; None when it is empty.

    Raises:
        ValueError: it is no single YAML document, or is refused as said above.
    """
    if len(data) > MOST_BYTES:
        raise ValueError("too long for YAML that people wrote")
    try:
        events = yaml.parse(data, Loader=yaml.CBaseLoader)
        return _document(event for event in events if not isinstance(event, yaml.StreamStartEvent))
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {getattr(error, 'problem', None) or error}") from error


def _document(events: Iterator[Any]) -> Any:
    if isinstance(next(events), yaml.StreamEndEvent):
        return None
    value = _value(next(events), events, 0)
    next(events)
    if not isinstance(next(events), yaml.StreamEndEvent):
        raise ValueError("more than one YAML document")  # noqa: TRY004
    return value


def _value(event: Any, events: Iterator[Any], depth: int) -> Any:
    if depth > DEEPEST:
        raise ValueError("YAML nested too deeply")
    match event:
        case yaml.ScalarEvent():
            return _plain(event.value) if event.implicit[0] else event.value
        case yaml.SequenceStartEvent():
            return [_value(member, events, depth + 1) for member in _until_end(events)]
        case yaml.MappingStartEvent():
            return {
                _key(key): _value(next(events), events, depth + 1) for key in _until_end(events)
            }
    raise ValueError("a YAML alias")


def _until_end(events: Iterator[Any]) -> Iterator[Any]:
    for event in events:
        if isinstance(event, yaml.CollectionEndEvent):
            return
        yield event


def _key(event: Any) -> str:
    if not isinstance(event, yaml.ScalarEvent):
        raise ValueError("a YAML key that is no text")  # noqa: TRY004
    return str(event.value)


def _plain(word: str) -> Any:
    """What a scalar without quotes means."""
    if word in _WORDS:
        return _WORDS[word]
    if _INTEGER.fullmatch(word):
        return int(word)
    return float(word) if _NUMBER.fullmatch(word) else word
