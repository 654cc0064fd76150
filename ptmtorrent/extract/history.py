"""Commits of an origin: rows of the tables ``commits`` and ``unreachable``.

Facts are told once: a visit tells the commits that no earlier visit reached. Which commits those
are is decided by walking both sides whole; git's own ``new ^old`` stops early when dates lie.
"""

import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from itertools import repeat
from typing import Any

from ptmtorrent.errors import CorruptError
from ptmtorrent.extract.charset import decode
from ptmtorrent.extract.commit import CommitObject, Ident, parse_commit, subject_of
from ptmtorrent.extract.numstat import LineCounts, line_counts
from ptmtorrent.extract.privacy import Person, Pseudonyms
from ptmtorrent.extract.signature import HUB_ADDRESSES, parse_signature, signer_of
from ptmtorrent.extract.workbench import OriginView
from ptmtorrent.model.key import origin_key
from ptmtorrent.model.oid import swhid_revision
from ptmtorrent.model.text import clean

Row = dict[str, Any]

MAX_COMMIT_BYTES = 1024 * 1024
MAX_HISTORY_BYTES = 512 * 1024 * 1024
"""Bytes of all commits that one visit tells."""


def commits(view: OriginView, key: bytes) -> Iterator[Row]:
    """Rows of ``commits``, by oid: reachable now, and from no earlier visit.

    Line counts are NULL unless the visit is complete. ``key`` makes the pseudonyms. Raises
    CorruptError when a commit is not here, SkipError (over_limit) when one is beyond all measure.
    """
    walk = _first_reached(view)
    oids, pseudonyms = sorted(walk), Pseudonyms(key)
    about = {"origin_key": origin_key(view.visit.url), "origin": view.visit.url}
    for (oid, raw), count in zip(_raw_commits(view, oids), _counts(view, walk), strict=True):
        yield about | _identity(oid, raw) | _content(parse_commit(raw), pseudonyms) | _lines(count)


def unreachable(view: OriginView) -> Iterator[Row]:
    """Rows of ``unreachable``, by oid: reached by an earlier visit, and no longer."""
    if view.earlier_tips <= view.tips:
        return
    about = {"origin_key": origin_key(view.visit.url), "origin": view.visit.url}
    for oid in sorted(view.reached_before.difference(view.reached)):
        yield about | {"oid": oid.hex()}


def commit_count(view: OriginView) -> int:
    """How many commits HEAD, branches and tags reach."""
    return len(view.reached)


def _first_reached(view: OriginView) -> list[bytes]:
    """The commits that no earlier visit reached, as a walk meets them."""
    if view.tips <= view.earlier_tips:
        return []
    return [oid for oid in view.reached if oid not in view.reached_before]


def _raw_commits(view: OriginView, oids: list[bytes]) -> Iterator[tuple[str, bytes]]:
    left = MAX_HISTORY_BYTES
    found_in_order = view.reader.contents(map(bytes.hex, oids))
    for oid, found in zip(oids, found_in_order, strict=True):
        if found is None:
            raise CorruptError(f"commit {oid.hex()} is not held")
        raw = found.read(min(left, MAX_COMMIT_BYTES))
        left -= len(raw)
        yield oid.hex(), raw


def _counts(view: OriginView, walk: list[bytes]) -> Iterator[LineCounts | None]:
    """The line counts by oid; 24 bytes a commit are in memory."""
    if not view.visit.is_complete:
        return repeat(None, len(walk))
    oids, numbers = sorted(walk), array("q", bytes(24 * len(walk)))
    for oid, counts in line_counts(view.repo, [oid.hex() for oid in walk]):
        at = 3 * bisect_left(oids, bytes.fromhex(oid))
        numbers[at : at + 3] = array("q", (counts.files, counts.additions, counts.deletions))
    return (LineCounts(*numbers[at : at + 3]) for at in range(0, len(numbers), 3))


def _identity(oid: str, raw: bytes) -> Row:
    return {"oid": oid, "sha256": hashlib.sha256(raw).hexdigest(), "swhid": swhid_revision(oid)}


def _content(commit: CommitObject, pseudonyms: Pseudonyms) -> Row:
    author, committer = _person(commit.author, commit), _person(commit.committer, commit)
    people = [one for one in (author, committer) if one.mail.lower() not in HUB_ADDRESSES]
    message = pseudonyms.scrub(clean(commit.text), people)
    signature = parse_signature(commit.signature)
    return {
        "parents": list(commit.parents),
        "author": pseudonyms.of(author),
        "author_at": commit.author.at,
        "author_offset_min": commit.author.offset_min,
        "committer": pseudonyms.of(committer),
        "committed_at": commit.committer.at,
        "committer_offset_min": commit.committer.offset_min,
        "subject": subject_of(message),
        "message": message,
        "encoding": None if commit.encoding is None else clean(commit.encoding),
        "signature": signature.kind.value,
        "signer": signer_of(signature, committer.mail).value,
        "signer_key": signature.key,
    }


def _person(ident: Ident, commit: CommitObject) -> Person:
    return Person(decode(ident.name, commit.encoding), decode(ident.mail, commit.encoding))


def _lines(counts: LineCounts | None) -> Row:
    if counts is None:
        return {"files": None, "additions": None, "deletions": None}
    return {
        "files": counts.files,
        "additions": counts.additions,
        "deletions": counts.deletions,
    }
