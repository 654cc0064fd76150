"""What an origin is when looked at (visit), and how we keep it (holding).

A visit depends on the origin's content alone: no time, no pack, no tool is in it, so equal states
of an origin have equal digests, whoever visited and whenever. A holding is the other half: the
blobs that keep a visit. Both are canonical JSON, stored as blobs; docs/FORMATS.md draws them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ptmtorrent.model.oid import swhid_snapshot


def canonical_json(value: object) -> bytes:
    """The one encoding of a JSON value that is hashed: sorted keys, no spaces, ASCII."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("ascii")


@dataclass(frozen=True, slots=True)
class Ref:
    """A ref and what it points at.

    Attributes:
        name: full name (``refs/heads/main``); bytes that are not UTF-8 are surrogate escapes.
        target: oid of the object it points at.
        kind: git type of that object (commit, tag, tree, blob).
        commit: the commit it leads to after peeling tags, or None.
    """

    name: str
    target: str
    kind: str
    commit: str | None


@dataclass(frozen=True, slots=True)
class NotHeld:
    """A git blob of the origin that we do not hold: its oid and why."""

    oid: str
    reason: str


@dataclass(frozen=True, slots=True)
class Visit:
    """The state of an origin: canonical URL, refs, head, filter and what is not held.

    Attributes:
        head_ref: the branch HEAD names, or None when HEAD is detached or absent.
        head: the commit HEAD leads to, or None for an empty repository.
        filter: the git object filter the fetch used, or None when it was whole.
        not_held: blobs known to be missing, sorted by oid; with a filter, only those of ``head``.
    """

    url: str
    refs: tuple[Ref, ...]
    head_ref: str | None
    head: str | None
    filter: str | None = None
    not_held: tuple[NotHeld, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether every object of the refs is held."""
        return self.filter is None and not self.not_held

    @property
    def swhid(self) -> str:
        """The SWHID of the refs as a snapshot."""
        targets = {ref.name: (ref.kind, ref.target) for ref in self.refs}
        return swhid_snapshot(targets, self.head_ref)

    def to_bytes(self) -> bytes:
        """Canonical JSON; its sha256 is the visit's name."""
        return canonical_json(
            {
                "type": "visit",
                "version": 1,
                "url": self.url,
                "refs": [[r.name, r.target, r.kind, r.commit] for r in self.refs],
                "head_ref": self.head_ref,
                "head": self.head,
                "filter": self.filter,
                "not_held": [[n.oid, n.reason] for n in self.not_held],
                "swhid": self.swhid,
                "swhid_head": f"swh:1:rev:{self.head}" if self.head else None,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "Visit":
        """Read what ``to_bytes`` wrote."""
        value = _document(data, "visit")
        return cls(
            url=value["url"],
            refs=tuple(Ref(*ref) for ref in value["refs"]),
            head_ref=value["head_ref"],
            head=value["head"],
            filter=value["filter"],
            not_held=tuple(NotHeld(*n) for n in value["not_held"]),
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """A blob the head of an origin stands for: an LFS object, or a large file kept in git.

    Attributes:
        path: where the head has it (bytes that are not UTF-8 are surrogate escapes).
        sha256: of the content.
        size: of the content, in bytes.
        lfs: whether the tree holds a pointer (True) or the bytes themselves (False).
    """

    path: str
    sha256: str
    size: int
    lfs: bool


@dataclass(frozen=True, slots=True)
class Holding:
    """How a visit is kept: its digest, the packs that hold its objects, the blobs of its head.

    Attributes:
        visit: sha256 of the visit.
        packs: sha256 of each git pack, oldest first; together they hold the visit's objects.
        wanted: blobs that the head tree stands for, whether fetched yet or not.
        pack_bytes: total size of the packs.
        git: version of the git that received the newest pack.
    """

    visit: str
    packs: tuple[str, ...]
    wanted: tuple[Wanted, ...]
    pack_bytes: int
    git: str

    def to_bytes(self) -> bytes:
        """Canonical JSON; its sha256 is the holding's name."""
        return canonical_json(
            {
                "type": "holding",
                "version": 1,
                "visit": self.visit,
                "packs": list(self.packs),
                "wanted": [[w.path, w.sha256, w.size, w.lfs] for w in self.wanted],
                "pack_bytes": self.pack_bytes,
                "git": self.git,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "Holding":
        """Read what ``to_bytes`` wrote."""
        value = _document(data, "holding")
        return cls(
            visit=value["visit"],
            packs=tuple(value["packs"]),
            wanted=tuple(Wanted(*w) for w in value["wanted"]),
            pack_bytes=value["pack_bytes"],
            git=value["git"],
        )


def _document(data: bytes, kind: str) -> Mapping[str, Any]:
    value = json.loads(data)
    if not isinstance(value, dict) or (value.get("type"), value.get("version")) != (kind, 1):
        raise ValueError(f"not a {kind} of version 1")
    return value
