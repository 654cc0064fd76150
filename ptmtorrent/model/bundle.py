"""Several files as one page: a tar archive that holds each as received, and nothing else.

A hub that lists by files (cards, a manifest) has no page of its own; this is its page. Equal files
make equal bundles: no times, no owners, no modes. Any tar reads a bundle; we read no other tar, so
that links, devices, holes and declared sizes of someone else's making have no meaning here.

Format: POSIX.1-2001 (pax interchange format), regular files only. A path of more than 100 bytes, or
beyond ASCII, is in an extended header with the one record ``path`` (and ``hdrcharset``, where it
is no UTF-8).
"""

import io
import tarfile
from collections.abc import Iterable, Iterator

File = tuple[str, bytes]
"""A path (bytes that are not UTF-8 are surrogate escapes) and the content."""

_BLOCK = 512
_ZEROS = bytes(_BLOCK)
_END = 2 * _ZEROS
_CHECKSUM = slice(148, 156)
_MAGIC = b"ustar\x0000"


def bundle(files: Iterable[File]) -> bytes:
    """Pack files, in the order they come.

    Raises:
        ValueError: a path holds NUL, or surrogates that stand for no byte.
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8") as tar:
        for path, content in files:
            if "\0" in path:
                raise ValueError(f"a path with NUL in it: {path!r}")
            member = tarfile.TarInfo(path)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def unbundle(body: bytes) -> Iterator[File]:
    """The files of a bundle, in order; those before a fault come before it is raised.

    Raises:
        ValueError: it is none, or is cut off.
    """
    at, long_path = 0, None
    while (header := body[at : at + _BLOCK]) != _ZEROS:
        kind, path, size = _header(header)
        content = body[at + _BLOCK : at + _BLOCK + size]
        at += _BLOCK + -(-size // _BLOCK) * _BLOCK
        if at > len(body):
            raise ValueError("the bundle is cut off")
        if kind == b"x" and long_path is None:
            long_path = _long_path(content)
        elif kind == b"0":
            yield path if long_path is None else long_path, content
            long_path = None
        else:
            raise ValueError(f"a member that is no file: {kind!r}")
    rest = body[at:]
    if long_path is not None or len(rest) < len(_END) or rest.strip(b"\0"):
        raise ValueError("the bundle does not end as one")


def _header(block: bytes) -> tuple[bytes, str, int]:
    """Kind, path and size of a member (POSIX ``ustar`` header block)."""
    blank = block[: _CHECKSUM.start] + b" " * 8 + block[_CHECKSUM.stop :]
    if block[257:265] != _MAGIC or _octal(block[_CHECKSUM]) != sum(blank):
        raise ValueError("not a bundle of files")
    return block[156:157], _text(block[:100].partition(b"\0")[0]), _octal(block[124:136])


def _octal(field: bytes) -> int:
    digits = field.rstrip(b" \0")
    if not digits or digits.strip(b"01234567"):
        raise ValueError("a number that is none in the header of a member")
    return int(digits, 8)


def _long_path(records: bytes) -> str:
    """The path in an extended header, whose records are ``length key=value newline``."""
    found = {}
    while records:
        length = _decimal(records[:20].partition(b" ")[0])
        record, records = records[:length], records[length:]
        key, _, value = record.partition(b" ")[2].partition(b"=")
        if len(record) < length or not value.endswith(b"\n"):
            raise ValueError("a malformed extended header")
        found[key] = value[:-1]
    if not {b"path"} <= found.keys() <= {b"path", b"hdrcharset"}:
        raise ValueError("an extended header with more than a path")
    return _text(found[b"path"])


def _decimal(digits: bytes) -> int:
    if not digits.isdigit():
        raise ValueError("a length that is none in an extended header")
    return int(digits)


def _text(path: bytes) -> str:
    if b"\0" in path:
        raise ValueError("a path with NUL in it")
    return path.decode("utf-8", "surrogateescape")
