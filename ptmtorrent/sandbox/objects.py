"""Git objects as plain values, and the pack that carries them: bytes only, no git, no files.

Encodings: git's Documentation/gitformat-pack and "Git Objects" of the Git book. Writing the
objects ourselves makes every oid a function of the content, signatures included.
"""

import hashlib
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from ptmtorrent.sandbox.signing import Signer

_KINDS = {"commit": 1, "tree": 2, "blob": 3, "tag": 4}

FILE, EXECUTABLE, SYMLINK, TREE = "100644", "100755", "120000", "40000"


@dataclass(frozen=True, slots=True)
class Entry:
    """What a tree says of a path: mode and oid."""

    mode: str
    oid: str


Files = Mapping[bytes, Entry]
"""A whole tree, flat: path -> entry; only files and links, no directories."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who and when: seconds since 1970, and minutes east of UTC."""

    name: str
    mail: str
    at: int
    offset: int = 0

    def to_text(self) -> str:
        """The form that author, committer and tagger lines have."""
        hours, minutes = divmod(abs(self.offset), 60)
        sign = "-" if self.offset < 0 else "+"
        return f"{self.name} <{self.mail}> {self.at} {sign}{hours:02}{minutes:02}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A commit; with a ``signer`` its ``gpgsig`` signs all the rest at the committer's time."""

    tree: str
    parents: tuple[str, ...]
    author: Stamp
    committer: Stamp
    message: str
    encoding: str = "utf-8"
    signer: Signer | None = None

    def to_bytes(self) -> bytes:
        """The body of the object."""
        head = [f"tree {self.tree}", *(f"parent {oid}" for oid in self.parents)]
        head += [f"author {self.author.to_text()}", f"committer {self.committer.to_text()}"]
        tail = [] if self.encoding == "utf-8" else [f"encoding {self.encoding}"]
        tail += ["", self.message]
        if self.signer is None:
            return self._encode([*head, *tail])
        signature = self.signer.sign(self._encode([*head, *tail]), self.committer.at)
        folded = signature.rstrip("\n").replace("\n", "\n ")
        return self._encode([*head, f"gpgsig {folded}", *tail])

    def _encode(self, lines: list[str]) -> bytes:
        return "\n".join(lines).encode(self.encoding)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """An annotated tag of a commit; a signature goes to the end of its message."""

    target: str
    name: str
    tagger: Stamp
    message: str
    signer: Signer | None = None

    def to_bytes(self) -> bytes:
        """The body of the object."""
        lines = [f"object {self.target}", "type commit", f"tag {self.name}"]
        lines += [f"tagger {self.tagger.to_text()}", "", self.message]
        body = "\n".join(lines).encode()
        if self.signer is None:
            return body
        return body + self.signer.sign(body, self.tagger.at).encode()


@dataclass(slots=True)
class Objects:
    """A growing set of git objects, each held once."""

    _held: dict[str, tuple[str, bytes]] = field(default_factory=dict)

    def blob(self, data: bytes) -> str:
        """Add a blob; returns its oid, as do the others."""
        return self._add("blob", data)

    def commit(self, commit: Commit) -> str:
        """Add a commit."""
        return self._add("commit", commit.to_bytes())

    def tag(self, tag: Tag) -> str:
        """Add an annotated tag."""
        return self._add("tag", tag.to_bytes())

    def tree(self, files: Files) -> str:
        """Add a tree and the trees inside it; returns the oid of the outermost."""
        here: dict[bytes, Entry] = {}
        below: dict[bytes, dict[bytes, Entry]] = {}
        for path, entry in files.items():
            name, slash, rest = path.partition(b"/")
            if slash:
                below.setdefault(name, {})[rest] = entry
            else:
                here[name] = entry
        here |= {name: Entry(TREE, self.tree(inner)) for name, inner in below.items()}
        return self._add("tree", b"".join(_row(name, here[name]) for name in _ordered(here)))

    def pack(self) -> bytes:
        """All of them as a pack of version 2, without deltas."""
        out = [struct.pack(">4sII", b"PACK", 2, len(self._held))]
        for kind, body in self._held.values():
            out += [_pack_head(_KINDS[kind], len(body)), zlib.compress(body, 6)]
        data = b"".join(out)
        return data + hashlib.sha1(data, usedforsecurity=False).digest()

    def _add(self, kind: str, body: bytes) -> str:
        head = f"{kind} {len(body)}\0".encode()
        oid = hashlib.sha1(head + body, usedforsecurity=False).hexdigest()
        self._held[oid] = (kind, body)
        return oid


def _ordered(entries: Files) -> list[bytes]:
    return sorted(entries, key=lambda name: name + b"/" * (entries[name].mode == TREE))


def _row(name: bytes, entry: Entry) -> bytes:
    return entry.mode.encode() + b" " + name + b"\0" + bytes.fromhex(entry.oid)


def _pack_head(kind: int, size: int) -> bytes:
    first, size = kind << 4 | size & 0x0F, size >> 4
    out = bytearray()
    while size:
        out.append(first | 0x80)
        first, size = size & 0x7F, size >> 7
    return bytes([*out, first])
