"""Pseudonyms in place of people.

A person is known by address, or by name where there is no address. The pseudonym is the first 16
bytes, in hex, of HMAC-SHA256 of that, lower-cased, under a key that is never released: the same
person has the same pseudonym everywhere in a root, and nobody else can tell who it is.
"""

import hmac
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

_TRAILER = re.compile(
    r"^([a-z][a-z-]{0,60}-by|cc)([ \t]*:[ \t]*)(\S.*)$", re.IGNORECASE | re.MULTILINE
)
_ANGLED = re.compile(r"<([^<>\n]*)>")
_LAST_NAME = re.compile(r"[^<>,\n]*\Z")
_NAME_CHARS = 200
_MOST_PEOPLE = 50
"""People of trailers who are looked for in the rest of a message; a message may name thousands."""

_NAMED = re.compile(r"(?:(?<!\w)[^\W\d_a-z]\S{0,40}[ \t]+){0,4}<([^<>\s@]*@[^<>\s]*)>")
_LOCAL = r"""\s<>()\[\]{}"'`,;:|=/\\@"""
_ADDRESS = re.compile(rf"(?<![^{_LOCAL}])[^{_LOCAL}]++@[\w-]++(?:\.[\w-]++)+")


@dataclass(frozen=True, slots=True)
class Person:
    """A name and an address, either of which may be empty."""

    name: str
    mail: str


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """Makes pseudonyms under one key, and puts them into text."""

    key: bytes

    def of(self, person: Person) -> str | None:
        """The pseudonym of a person, or None for nobody (neither name nor address)."""
        known_by = person.mail.strip().lower() or person.name.strip().lower()
        return self._digest(known_by) if known_by else None

    def scrub(self, text: str, people: Iterable[Person]) -> str:
        """``text`` with a pseudonym for every address and every name that can be told.

        Replaced are: who a trailer (``Signed-off-by:``, ``Co-authored-by:``, ...) names; any
        address, with the capitalised words before it when it stands in ``<>``; and, wherever
        they stand, names and addresses of ``people`` and of those in trailers. Names of fewer
        than three Latin letters (two of other scripts) stay when they stand alone.
        """
        known = [*people, *_named_in_trailers(text)]
        text = _TRAILER.sub(lambda m: m[1] + m[2] + self._trailer(m[3]), text)
        text = _NAMED.sub(lambda m: self._mark(m[1]), text)
        text = self._replace(text, {p.mail: re.escape(p.mail) for p in known if "@" in p.mail})
        text = _ADDRESS.sub(lambda m: self._mark(m[0]), text)
        return self._replace(text, _name_patterns(known), known)

    def _trailer(self, value: str) -> str:
        people = [one.mail or one.name for one in _people_of(value)]
        return ", ".join(self._mark(one) for one in people or [value.strip()])

    def _replace(self, text: str, patterns: dict[str, str], people: Iterable[Person] = ()) -> str:
        """Replace what ``patterns`` (literal -> expression) find; the longest wins."""
        if not patterns:
            return text
        address = {p.name.lower(): p.mail or p.name for p in people}
        longest_first = sorted(patterns, key=lambda literal: (-len(literal), literal))
        anyone = re.compile("|".join(patterns[one] for one in longest_first), re.IGNORECASE)
        return anyone.sub(lambda m: self._mark(address.get(m[0].lower(), m[0])), text)

    def _mark(self, known_by: str) -> str:
        return f"<{self._digest(known_by.strip().lower())}>"

    def _digest(self, known_by: str) -> str:
        data = known_by.encode("utf-8", "surrogatepass")
        return hmac.digest(self.key, data, "sha256")[:16].hex()


def _named_in_trailers(text: str) -> list[Person]:
    found = (one for match in _TRAILER.finditer(text) for one in _people_of(match[3]))
    return list(islice(dict.fromkeys(found), _MOST_PEOPLE))


def _people_of(value: str) -> Iterator[Person]:
    """Who stands in ``name <address>, name <address>``."""
    for match in _ANGLED.finditer(value):
        before = value[max(0, match.start() - _NAME_CHARS) : match.start()]
        name = _LAST_NAME.search(before)
        yield Person(name[0].strip() if name else "", match[1].strip())


def _name_patterns(people: Iterable[Person]) -> dict[str, str]:
    """Name -> expression; whole words only, in scripts that part words by blanks."""
    patterns = {}
    for literal in {text for person in people for text in (person.name, person.mail)}:
        if literal.isascii() and len(literal) >= 3:
            patterns[literal] = rf"(?<!\w){re.escape(literal)}(?!\w)"
        elif not literal.isascii() and len(literal) >= 2:
            patterns[literal] = re.escape(literal)
    return patterns
