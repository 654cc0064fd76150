"""A throw-away bare repository that a fetch goes into, and the git commands run in it.

Nothing of it is kept but its packs. Held packs can be placed in it first, with the refs they were
fetched for, so that the server sends only what is new.
"""

import asyncio
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ptmtorrent.errors import CorruptError, IntegrityError
from ptmtorrent.fetch.git import Git
from ptmtorrent.model.visit import Ref, Visit
from ptmtorrent.net.gitproc import GitResult
from ptmtorrent.store.base import BlobStore

BATCH = 2000
"""Objects asked for at once."""


@dataclass(slots=True)
class Quarantine:
    """One origin's repository while it is being fetched.

    Attributes:
        path: the bare git directory.
        base_packs: names of the held packs that were placed in it.
    """

    path: Path
    git: Git
    base_packs: tuple[str, ...] = ()

    async def prepare(self) -> None:
        """Make it an empty repository."""
        await self.local("init", "--quiet", "--bare", "--template=", ".")
        (self.path / "objects" / "pack").mkdir(exist_ok=True)

    async def place(self, store: BlobStore, packs: Iterable[str], visit: Visit) -> None:
        """Put held packs in, with the refs of the visit they belong to."""
        self.base_packs = tuple(packs)
        folder = self.path / "objects" / "pack"
        for name in self.base_packs:
            target = folder / f"pack-{name[:40]}.pack"
            await asyncio.to_thread(store.place, name, target)
            result = await self.git.local(["index-pack", str(target)], self.path)
            if result.returncode:
                raise IntegrityError(
                    f"the held pack {name} of {visit.url} is not readable: {result.stderr};"
                    " run `ptmtorrent verify`"
                )
        (self.path / "packed-refs").write_bytes(_packed(visit.refs))

    async def refs(self) -> dict[str, tuple[str, str, str | None]]:
        """Full name -> (target, type, commit after peeling or None)."""
        fields = "%(objectname) %(objecttype) %(*objectname) %(*objecttype) %(refname)"
        result = await self.local("for-each-ref", f"--format={fields}", "refs/heads", "refs/tags")
        return {name: value for line in result.splitlines() for name, value in [_ref(line)]}

    async def missing(self, *revisions: str) -> list[str]:
        """Oids of objects that these revisions need and that are not here, sorted."""
        output = await self.local(
            "rev-list", "--objects", "--missing=print", "--no-object-names", *revisions
        )
        return sorted({line[1:].decode() for line in output.splitlines() if line[:1] == b"?"})

    async def missing_in_tree(self, head: str) -> list[str]:
        """Oids of blobs of one commit's tree that are not here, sorted."""
        return await self.missing("--no-walk", head)

    async def repack(self) -> None:
        """Make all packs one."""
        await self.local("repack", "-a", "-d", "-q", "--threads=1")

    def packs(self) -> list[Path]:
        """Packs that came in by the fetch, by name."""
        placed = {f"pack-{name[:40]}.pack" for name in self.base_packs}
        found = (self.path / "objects" / "pack").glob("pack-*.pack")
        return sorted(pack for pack in found if pack.name not in placed)

    async def local(self, *args: str) -> bytes:
        """Run git here, without any network; its stdout. CorruptError when it fails."""
        result: GitResult = await self.git.local(args, self.path)
        if result.returncode:
            raise CorruptError(f"git {args[0]} failed on what was fetched: {result.stderr}")
        return result.stdout

    async def remove(self) -> None:
        """Remove it with everything in it."""
        await asyncio.to_thread(shutil.rmtree, self.path, True)


def _ref(line: bytes) -> tuple[str, tuple[str, str, str | None]]:
    target, kind, peeled, peeled_kind, name = line.split(b" ", 4)
    commit = target if kind == b"commit" else peeled if peeled_kind == b"commit" else b""
    return (
        name.decode("utf-8", "surrogateescape"),
        (target.decode(), kind.decode(), commit.decode() or None),
    )


def _packed(refs: Sequence[Ref]) -> bytes:
    lines = [
        f"{ref.target} {ref.name}\n".encode("utf-8", "surrogateescape")
        for ref in sorted(refs, key=lambda ref: ref.name)
    ]
    return b"".join(lines)
