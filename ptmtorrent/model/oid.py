"""Names of content: sha256 of bytes, git object ids, git-LFS pointers, SWHIDs.

A *sha256* names a blob of the store (64 lower-case hex digits). A *git oid* names a git object
(40 hex digits) and is never compared with a sha256. A *pointer* is the small text that git-LFS
commits in place of a file; its ``oid`` is the sha256 of that file.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

POINTER_LIMIT = 1024
"""Pointers are shorter than this many bytes (git-lfs docs/spec.md)."""

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()

_HEX64 = re.compile(r"[0-9a-f]{64}")
_HEX40 = re.compile(r"[0-9a-f]{40}")
_KEY_LINE = re.compile(rb"([a-z0-9.-]+) (.+)")
_EXTENSION = re.compile(rb"ext-[0-9]-[a-z0-9.-]+")
_FIRST_LINES = (
    b"version https://git-lfs.github.com/spec/v1",
    b"version http://git-media.io/v/2",
    b"version https://hawser.github.com/spec/v1",
)
_OID = re.compile(rb"sha256:[0-9a-f]{64}")
_SIZE = re.compile(rb"0|[1-9][0-9]{0,18}")


def is_sha256(text: str) -> bool:
    """Whether ``text`` is the lower-case hex form of a sha256."""
    return _HEX64.fullmatch(text) is not None


def is_git_oid(text: str) -> bool:
    """Whether ``text`` is the lower-case hex form of a git (sha1) object id."""
    return _HEX40.fullmatch(text) is not None


def sha256_of(data: bytes) -> str:
    """The sha256 of ``data`` in hex."""
    return hashlib.sha256(data).hexdigest()


def git_blob_oid(data: bytes) -> str:
    """The git object id that ``data`` has as a blob."""
    header = b"blob %d\0" % len(data)
    return hashlib.sha1(header + data, usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Pointer:
    """A git-LFS pointer: the blob it stands for and that blob's size in bytes."""

    sha256: str
    size: int

    def to_bytes(self) -> bytes:
        """The one canonical encoding of a pointer without extensions."""
        return b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n" % (
            self.sha256.encode(),
            self.size,
        )


def parse_pointer(data: bytes) -> Pointer | None:
    """Read a git-LFS pointer, strictly; anything that is not one is an ordinary file (None).

    Accepts the version aliases and ``ext-N-`` lines of git-lfs docs/spec.md; refuses carriage
    returns, unsorted or repeated keys, signs, leading zeros and upper-case digits.
    """
    if not data or len(data) >= POINTER_LIMIT or not data.endswith(b"\n"):
        return None
    first, *rest = data[:-1].split(b"\n")
    fields = _sorted_fields(rest)
    if fields is None or first not in _FIRST_LINES:
        return None
    oid, size = fields.get(b"oid", b""), fields.get(b"size", b"")
    if not _OID.fullmatch(oid) or not _SIZE.fullmatch(size) or int(size) >= 2**63:
        return None
    return Pointer(oid.removeprefix(b"sha256:").decode(), int(size))


def _sorted_fields(lines: list[bytes]) -> dict[bytes, bytes] | None:
    pairs = [(m[1], m[2]) for line in lines if (m := _KEY_LINE.fullmatch(line))]
    keys = [key for key, _ in pairs]
    if len(pairs) != len(lines) or keys != sorted(set(keys)):
        return None
    return dict(pairs) if all(_is_known(key, value) for key, value in pairs) else None


def _is_known(key: bytes, value: bytes) -> bool:
    is_extension = _EXTENSION.fullmatch(key) is not None and _OID.fullmatch(value) is not None
    return key in (b"oid", b"size") or is_extension


def swhid_revision(oid: str) -> str:
    """The SWHID of a commit (ISO/IEC 18670)."""
    return f"swh:1:rev:{oid}"


def swhid_snapshot(targets: Mapping[str, tuple[str, str]], head: str | None) -> str:
    """The SWHID of a set of refs (ISO/IEC 18670, section on snapshots).

    Args:
        targets: full ref name -> (git object type, oid of what the ref points at).
        head: the ref that HEAD names, or None.
    """
    kinds = {"commit": b"revision", "tag": b"release", "tree": b"directory", "blob": b"content"}
    branches = {
        name.encode("utf-8", "surrogateescape"): (kinds[kind], bytes.fromhex(oid))
        for name, (kind, oid) in targets.items()
    }
    if head is not None:
        branches[b"HEAD"] = (b"alias", head.encode("utf-8", "surrogateescape"))
    body = b"".join(
        b"%s %s\0%d:%s" % (kind, name, len(target), target)
        for name, (kind, target) in sorted(branches.items())
    )
    header = b"snapshot %d\0" % len(body)
    return "swh:1:snp:" + hashlib.sha1(header + body, usedforsecurity=False).hexdigest()
