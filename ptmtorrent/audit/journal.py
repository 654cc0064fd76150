"""The journal: every line readable, numbered, and following from the one before.

A damaged line does not end the check: it is named, and the next one is believed. Where two lines
do not fit together within a file, the file is named. Where a file does not follow from the ones
before it, its own second line tells which of them was changed: if that still fits the first, what
the first follows was lost or changed at the end of the file before. Whoever knows the last line
(the ledger) is taken as one that follows it.

Memory grows with the number of files only.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ptmtorrent.audit.fault import Fault, FaultKind, Findings
from ptmtorrent.audit.ground import Ground, check_file
from ptmtorrent.model.visit import canonical_json
from ptmtorrent.store.journal import GENESIS, Entry, Head, decode
from ptmtorrent.store.layout import number_of, numbered

SUFFIX = ".jsonl"
MOST_BYTES = 64 * 2**20
"""No line is longer; the rest of one that is, is passed over."""


@dataclass(slots=True)
class Text:
    """A journal file as it was when the audit began; what is added meanwhile is not judged.

    Attributes:
        is_end_lost: whether its last line was found not to be the one that others follow.
    """

    path: Path
    size: int
    is_end_lost: bool = False

    @property
    def number(self) -> int:
        """Its place in the series."""
        return number_of(self.path, SUFFIX) or 0

    def lines(self) -> Iterator[bytes]:
        """Its whole lines, without their newlines; a torn last one was never acknowledged."""
        with self.path.open("rb") as stream:
            while stream.tell() < self.size:
                line = stream.readline(min(MOST_BYTES, self.size - stream.tell()))
                if line.endswith(b"\n"):
                    yield line[:-1]
                elif len(line) == MOST_BYTES:
                    yield line


@dataclass(slots=True)
class Story:
    """What is remembered of a file.

    Attributes:
        first: its first line, if that can be read.
        second_prev: what the second line follows.
        last: its last line, if that can be read.
        ends_well: whether no fault was found with the last line.
        follows: whether its first line follows one of a file before.
    """

    text: Text
    first: Entry | None = None
    second_prev: str | None = None
    last: Head | None = None
    ends_well: bool = True
    follows: bool = False


@dataclass(slots=True)
class Chain:
    """Checks the files of a journal in their order.

    Attributes:
        known: the line of which somebody outside knows that it is in.
        head: after ``check``: the last line.
        is_sound: after ``check``: whether every line can be believed.
        last: after ``check``: the line that ``head`` is of.
        found_known: after ``check``: where ``known`` is, if its digest is that of any line.
    """

    ground: Ground
    texts: Sequence[Text]
    known: Head | None
    head: Head = GENESIS
    is_sound: bool = True
    found_known: Head | None = None
    last: Entry | None = None
    _passed: dict[str, int] = field(default_factory=lambda: {GENESIS.digest: GENESIS.n})
    _wanted: set[str] = field(default_factory=set)
    _stories: list[Story] = field(default_factory=list)

    def check(self) -> Iterator[Fault]:
        """All faults of the journal."""
        for fault in self._check():
            self.is_sound = False
            yield fault

    @property
    def is_end_in_doubt(self) -> bool:
        """Whether the last line is not as somebody outside knows it; one of them was changed."""
        known = self.known
        return known is not None and self.found_known is None and known.n == self.head.n

    def give_up_end(self) -> Fault:
        """The last line is the one that was changed: it is no longer believed."""
        assert self.known is not None  # noqa: S101  # else nothing is in doubt
        self.is_sound, self.texts[-1].is_end_lost = False, True
        wanted = f"line number {self.head.n} with sha256 {self.known.digest}, as the ledger has it"
        name = self.ground.name(self.texts[-1].path)
        return Fault(FaultKind.CHAIN, name, wanted, self.head.digest)

    def _check(self) -> Iterator[Fault]:
        self._wanted = {entry.prev for text in self.texts if (entry := _first(text))}
        if self.known:
            self._wanted.add(self.known.digest)
        for text in self.texts:
            story = Story(text)
            found = self.ground.findings(text.path)
            if check_file(text.path, found) is not None:
                with found.reading():
                    self._file(story, found)
            self._link(story, found)
            yield from found
            self._stories.append(story)
        yield from self._between()
        yield from self._end()

    def _file(self, story: Story, found: Findings) -> None:
        before: Entry | None = None
        for number, line in enumerate(story.text.lines(), start=1):
            entry = self._line(number, line, found)
            story.ends_well = entry is not None
            if entry is None:
                before, story.last = None, None
                continue
            if number == 1:
                story.first = entry
            elif number == 2 and story.first:
                story.second_prev = entry.prev
            if before and (entry.n, entry.prev) != (before.n + 1, before.digest):
                wanted = f"line {number} to follow line {number - 1} ({before.digest})"
                found.add(FaultKind.CHAIN, wanted, f"number {entry.n}, following {entry.prev}")
            before, story.last = entry, entry.head
            self._pass(entry)

    def _line(self, number: int, line: bytes, found: Findings) -> Entry | None:
        self.ground.seen(f"{found.name} line {number}")
        entry = read_line(line)
        if entry is None:
            found.add(FaultKind.CONTENT, f"line {number} as the journal writes lines", _show(line))
        elif entry.kind not in self.ground.kinds:
            found.add(FaultKind.CONTENT, f"line {number} of a known kind", entry.kind)
        return entry

    def _pass(self, entry: Entry) -> None:
        if entry.digest in self._wanted:
            self._passed[entry.digest] = entry.n
        if entry.n >= self.head.n:
            self.head, self.last = entry.head, entry

    def _link(self, story: Story, found: Findings) -> None:
        """The first line of a file follows from a line passed before; once only."""
        first = story.first
        if first is None:
            return
        before = self._passed.get(first.prev)
        story.follows = before is not None
        if any(other.first and other.first.digest == first.digest for other in self._stories):
            found.add(FaultKind.CHAIN, "lines of its own", "those of another file")
        elif before is not None and first.n != before + 1:
            found.add(FaultKind.CHAIN, f"line 1 to have number {before + 1}", first.n)
        elif before is None and (story.text.number == 1 or not self._vouched(story, first)):
            found.add(FaultKind.CHAIN, "line 1 to follow a line before it", first.prev)

    def _vouched(self, story: Story, first: Entry) -> bool:
        """Whether somebody says that the first line of a file is as it was."""
        return first.digest == story.second_prev or first.digest in self._wanted

    def _before(self, story: Story) -> Story | None:
        """The file that comes before."""
        earlier = [one for one in self._stories if one.text.number < story.text.number]
        return earlier[-1] if earlier else None

    def _between(self) -> Iterator[Fault]:
        """Files that are missing, and files whose end is: what follows them tells."""
        there = {story.text.number for story in self._stories}
        for number in range(1, max(there, default=0)):
            if number not in there:
                path = numbered(self.ground.layout.journal, number, SUFFIX)
                name = self.ground.name(path)
                yield Fault(FaultKind.MISSING, name, "a journal file before the next", "nothing")
        for story in self._stories:
            first = story.first
            if first is None or story.follows or not self._vouched(story, first):
                continue
            if first.prev in self._passed:
                name = self.ground.name(story.text.path)
                yield Fault(FaultKind.CHAIN, name, "to come after the lines it follows", "before")
            else:
                yield from self._lost(self._before(story), story.text.number, first.prev)

    def _lost(self, story: Story | None, successor: int, digest: str) -> Iterator[Fault]:
        """A file does not end with the line that its successor follows."""
        if story is None or not story.ends_well or story.text.number != successor - 1:
            return
        story.text.is_end_lost = True
        name = self.ground.name(story.text.path)
        wanted = f"to end with the line {digest}"
        last = story.last.digest if story.last else "no line"
        yield Fault(FaultKind.CHAIN, name, wanted, last)

    def _end(self) -> Iterator[Fault]:
        """The line known from outside is here, or the end of the journal is lost."""
        if self.known is None or not self.known.n:
            return
        if self.known.digest in self._passed:
            self.found_known = Head(self._passed[self.known.digest], self.known.digest)
        elif self.known.n > self.head.n:
            if self._stories:
                last = self._stories[-1]
                yield from self._lost(last, last.text.number + 1, self.known.digest)
            else:
                name = self.ground.name(self.ground.layout.journal)
                yield Fault(FaultKind.MISSING, name, f"{self.known.n} lines", "none")


def texts(ground: Ground) -> list[Text]:
    """The journal files as they are now, in their order."""
    found = ground.layout.journal.glob(f"*{SUFFIX}")
    paths = [path for path in found if number_of(path, SUFFIX) is not None]
    files = [Text(path, path.lstat().st_size) for path in paths]
    return sorted(files, key=lambda text: (text.number, text.path))


def believed(text: Text) -> Iterator[tuple[int, Entry]]:
    """Number and content of the lines that can be read and that the next line, if any, follows."""
    before: tuple[int, Entry] | None = None
    if text.path.is_symlink() or not text.path.is_file():
        return
    for number, line in enumerate(text.lines(), start=1):
        entry = read_line(line)
        if before and (entry is None or entry.prev == before[1].digest):
            yield before
        before = None if entry is None else (number, entry)
    if before and not text.is_end_lost:
        yield before


def read_line(line: bytes) -> Entry | None:
    """A journal line, or None when it is not as the journal writes them."""
    try:
        entry = decode(line)
        return entry if canonical_json(json.loads(line)) == line else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _first(text: Text) -> Entry | None:
    try:
        line = next(text.lines(), None)
    except OSError:
        return None
    return None if line is None else read_line(line)


def _show(line: bytes) -> str:
    return f"{len(line)} bytes with sha256 {hashlib.sha256(line).hexdigest()}"
