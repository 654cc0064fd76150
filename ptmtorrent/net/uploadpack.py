"""How a git server is asked for a pack, and how its answer is taken apart. Pure.

Smart HTTP, protocol version 0: the refs are known from the advertisement, so one request brings
everything. Grammar: git's Documentation/gitprotocol-http ("Smart Service git-upload-pack") and
gitprotocol-pack ("Packfile Negotiation", "Packfile Data"). Nothing is asked for but a pack: no
shallow history, no thin pack (each pack is whole by itself), no URIs to fetch elsewhere.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import islice

from ptmtorrent.errors import CorruptError
from ptmtorrent.net.text import printable

REQUEST_TYPE = "application/x-git-upload-pack-request"
RESULT_TYPE = "application/x-git-upload-pack-result"
SIDEBAND = "side-band-64k"
"""Without it the pack and the words of the server could not be told apart."""

MOST_HAVES = 1000
"""Commits named as held; each is 50 bytes of the request."""

_ASKED = (SIDEBAND, "ofs-delta", "no-progress")
_LENGTH = re.compile(rb"[0-9a-fA-F]{4}")
_FLUSH = b"0000"
_PACK, _WORDS, _LAST_WORDS = 1, 2, 3
_MOST_WORDS = 64 * 1024
_MOST_BABBLE = 16 * 2**20
_FRAME, _SMALL = 5, 64
"""Bytes around a piece of the pack; around small pieces they count as said, so those must end."""


def request_of(wants: Sequence[str], haves: Iterable[str], capabilities: frozenset[str]) -> bytes:
    """The body that asks for all that ``wants`` reach, without what ``haves`` reach."""
    words = " ".join(word for word in _ASKED if word in capabilities)
    first, *rest = wants
    lines = [f"want {first} {words}\n", *(f"want {oid}\n" for oid in rest)]
    held = [f"have {oid}\n" for oid in islice(haves, MOST_HAVES)]
    return _packets(lines) + _FLUSH + _packets([*held, "done\n"])


def _packets(lines: Iterable[str]) -> bytes:
    return b"".join(b"%04x%s" % (len(line) + 4, line.encode()) for line in lines)


class PackAnswer:
    """Takes an answer as it comes and gives the bytes of the pack.

    Attributes:
        pack_bytes: how many there were so far.
        is_whole: whether the server has said that this was all.
        has_failed: whether the server has said that it cannot go on.
    """

    def __init__(self) -> None:
        self.pack_bytes = 0
        self.is_whole = False
        self.has_failed = False
        self._words = bytearray()
        self._babble = 0
        self._rest = b""
        self._has_begun = False

    @property
    def words(self) -> str:
        """What the server said beside the pack, as git shows it: ``remote:`` before each line."""
        text = printable(self._words.decode("utf-8", "replace").replace("\r", "\n"))
        return "\n".join(f"remote: {line}" for line in text.splitlines() if line.strip())

    def feed(self, chunk: bytes) -> bytes:
        """The pack bytes in the next piece of the answer.

        Raises:
            CorruptError: it is no answer of a git server, or says more beside the pack than fits.
        """
        data = self._rest + chunk
        view, at, pack = memoryview(data), 0, list[memoryview]()
        while len(data) - at >= 4:
            size = self._size(data[at : at + 4])
            end = at + max(size, 4)
            if end > len(data):
                break
            if size == 0:
                self.is_whole = True
            elif data[at + 4] == _PACK:
                self._has_begun = True
                pack.append(view[at + 5 : end])
                self._spoke(_FRAME if end - at < _SMALL else 0)
            else:
                self._heard(data[at + 4], bytes(view[at + 4 : end]))
            at = end
        self._rest = data[at:]
        found = b"".join(pack)
        self.pack_bytes += len(found)
        return found

    def _size(self, digits: bytes) -> int:
        size = int(digits, 16) if _LENGTH.fullmatch(digits) else 1
        if size in (1, 2, 3, 4) or self.is_whole:
            raise CorruptError("the git server's answer is not one: a broken pkt-line")
        return size

    def _heard(self, band: int, line: bytes) -> None:
        self._spoke(len(line) + _FRAME)
        if band in (_WORDS, _LAST_WORDS):
            self.has_failed |= band == _LAST_WORDS
            self._say(line[1:])
        elif line.startswith(b"ERR "):
            self.has_failed = True
            self._say(line[4:] + b"\n")
        elif self._has_begun or not line.startswith((b"NAK", b"ACK ")):
            raise CorruptError("the git server's answer is not one: an unknown line")

    def _spoke(self, size: int) -> None:
        self._babble += size
        if self._babble > _MOST_BABBLE:
            raise CorruptError("the git server says more than it sends")

    def _say(self, words: bytes) -> None:
        self._words += words[: _MOST_WORDS - len(self._words)]
