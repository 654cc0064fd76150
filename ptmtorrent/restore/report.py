"""What a restored package has that is not plainly so at its origin: a line a file, then the sum.

JSON Lines, beside the directory and not in it. A line has ``path`` (as git has it; bytes that are
not UTF-8 are surrogate escapes), ``written`` (below the directory; null when nothing was) and
``what``, a list of

* ``escaped``: its name is not safe, or was taken;
* ``link``: a symbolic link, written as a file that holds its target;
* ``submodule``: another repository, an empty directory here;
* ``pointer``: the LFS object is not held; the file is the pointer;
* ``not_held``: git's blob is not held; nothing was written.
"""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, TextIO

_COUNTED = {
    "files": "files",
    "lfs_held": "lfs_held",
    "lfs_not_held": "lfs_not_held",
    "not_held": "not_held",
    "escaped": "escaped",
    "links": "link",
    "submodules": "submodule",
}


class Report:
    """Counts what was restored, and writes a line for everything that is not plain."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._counts: Counter[str] = Counter()

    def lfs(self, path: bytes, sha256: str, *, held: bool) -> None:
        """An LFS file of a bare repository: its object was linked, or is not held."""
        self._counts["lfs_held" if held else "lfs_not_held"] += 1
        if not held:
            self._line(path, None, ["pointer"], sha256=sha256)

    def file(self, path: bytes, written: bytes | None, *what: str, **more: str | None) -> None:
        """A file of a worktree, and what is to be said of it."""
        escaped = () if written in (None, path) else ("escaped",)
        words = [*what, *escaped]
        self._counts.update(words)
        self._counts["files"] += written is not None and "submodule" not in words
        if words:
            self._line(path, written, words, **more)

    def count(self, name: str) -> None:
        """One more of something that needs no line."""
        self._counts[name] += 1

    @property
    def counts(self) -> dict[str, Any]:
        """How many there were of each."""
        return {name: self._counts[word] for name, word in _COUNTED.items()}

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Write the last line."""
        self._write(summary)

    def _line(
        self, path: bytes, written: bytes | None, what: list[str], **more: str | None
    ) -> None:
        self._write({"path": _text(path), "written": _text(written), "what": what, **more})

    def _write(self, value: Mapping[str, Any]) -> None:
        self._out.write(json.dumps(value) + "\n")


def _text(path: bytes | None) -> str | None:
    return None if path is None else path.decode("utf-8", "surrogateescape")
