"""Which commits lead where: one walk of git over the whole history."""

from collections.abc import Iterator, Set

from ptmtorrent.extract.repository import ClosedRepo, git_child


def reachable(repo: ClosedRepo, tips: Set[str]) -> Iterator[bytes]:
    """Binary ids (a third of the memory of hex) of all commits reachable from ``tips``.

    Raises CorruptError when one of them is not here.
    """
    if not tips:
        return
    with git_child(repo, "rev-list", "--stdin") as child:
        child.write_lines(sorted(tips))
        for line in child.output:
            yield bytes.fromhex(line.decode("ascii", "replace"))
