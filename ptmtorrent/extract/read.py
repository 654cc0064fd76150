"""One file of a repository at rest, for whoever asks for it by path."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import git

from ptmtorrent.errors import NotFoundError
from ptmtorrent.extract.objects import object_reader
from ptmtorrent.extract.tree import find
from ptmtorrent.model.oid import POINTER_LIMIT, Pointer, parse_pointer


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file: its size in git, its bytes to be read once, and the pointer it is, if it is one."""

    size: int
    pointer: Pointer | None
    chunks: Iterator[bytes]


@contextmanager
def open_file(repo: git.Repo, revision: str, path: bytes) -> Iterator[FileContent]:
    """The file at ``path`` of the commit ``revision`` (an oid); of a link, the text of the link.

    Raises NotFoundError when there is no such file, or its blob is not held.
    """
    with object_reader(repo) as reader:
        entry = find(reader, revision, path)
        for found in reader.contents([entry.oid]):
            if found is None:
                raise NotFoundError(f"the content of {path!r} is not held (blob {entry.oid})")
            if found.info.size >= POINTER_LIMIT:
                yield FileContent(found.info.size, None, found.chunks())
            else:
                data = found.read(POINTER_LIMIT)
                pointer = parse_pointer(data) if entry.is_file else None
                yield FileContent(len(data), pointer, iter((data,)))
