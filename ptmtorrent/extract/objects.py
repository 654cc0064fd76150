"""Objects of a repository, streamed from one ``git cat-file`` process."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import IO

from ptmtorrent.errors import CorruptError, SkipError, SkipReason
from ptmtorrent.extract.repository import ClosedRepo, GitChild, git_child

CHUNK = 1024 * 1024
"""Largest piece of an object that is in memory at once, in bytes."""

_BATCH = 256
"""Requests sent ahead: at most 14 KiB, which any pipe takes without blocking."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What git says of an object: its id, type and size in bytes."""

    oid: str
    kind: str
    size: int


class ObjectContent:
    """The bytes of one object, to be read once, before the next object is asked for."""

    def __init__(self, info: ObjectInfo, stream: IO[bytes]) -> None:
        self.info = info
        self._stream = stream
        self._left = info.size

    def chunks(self) -> Iterator[bytes]:
        """The bytes not read yet, in pieces of at most ``CHUNK``."""
        while self._left:
            chunk = self._stream.read(min(CHUNK, self._left))
            if not chunk:
                raise CorruptError(f"git cat-file stopped inside object {self.info.oid}")
            self._left -= len(chunk)
            yield chunk

    def read(self, limit: int) -> bytes:
        """All bytes not read yet. Raises SkipError (over_limit) above ``limit`` bytes."""
        if self.info.size > limit:
            message = f"{self.info.kind} {self.info.oid} is larger than {limit} bytes"
            raise SkipError(message, SkipReason.OVER_LIMIT)
        return b"".join(self.chunks())

    def finish(self) -> None:
        """Pass over what was not read, and over the newline git ends an object with."""
        for _ in self.chunks():
            pass
        self._stream.read(1)


class ObjectReader:
    """Asks one git process for objects; answers come in the order of the questions."""

    def __init__(self, child: GitChild) -> None:
        self._child = child

    def infos(self, oids: Iterable[str]) -> Iterator[ObjectInfo | None]:
        """Type and size of each object; None for one that is not here."""
        for batch in _batches(oids):
            self._ask(b"info", batch)
            yield from [self._answer() for _ in batch]

    def contents(self, oids: Iterable[str]) -> Iterator[ObjectContent | None]:
        """The content of each object; None for one that is not here.

        Finish the iteration before asking for anything else.
        """
        for batch in _batches(oids):
            self._ask(b"contents", batch)
            for _ in batch:
                yield from self._content()

    def content(self, oid: str, limit: int) -> bytes | None:
        """All bytes of one object, or None when it is not here. SkipError above ``limit``."""
        self._ask(b"contents", [oid])
        info = self._answer()
        if info is None:
            return None
        found = ObjectContent(info, self._child.output)
        data = found.read(limit)
        found.finish()
        return data

    def _content(self) -> Iterator[ObjectContent | None]:
        info = self._answer()
        if info is None:
            yield None
            return
        found = ObjectContent(info, self._child.output)
        yield found
        found.finish()

    def _ask(self, word: bytes, oids: Sequence[str]) -> None:
        questions = b"".join(b"%s %s\n" % (word, oid.encode()) for oid in oids)
        self._child.write(questions + b"flush\n")

    def _answer(self) -> ObjectInfo | None:
        line = self._child.output.readline()
        if not line.endswith(b"\n"):
            raise self._child.broken()
        words = line.decode("ascii", "replace").split()
        return ObjectInfo(words[0], words[1], int(words[2])) if len(words) == 3 else None


def _batches(oids: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(oids)
    while batch := list(islice(rest, _BATCH)):
        yield batch


@contextmanager
def object_reader(repo: ClosedRepo) -> Iterator[ObjectReader]:
    """A reader of the objects of ``repo``; its process ends with the block."""
    with git_child(repo, "cat-file", "--batch-command", "--buffer") as child:
        yield ObjectReader(child)
