"""A throw-away bare repository that a fetch goes into, and the git commands run in it.

Nothing of it is kept but its packs. Held packs can be placed in it first, with the refs they were
fetched for, so that the server sends only what is new.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ptmtorrent.errors import CorruptError, IntegrityError
from ptmtorrent.fetch.git import Git
from ptmtorrent.fetch.threads import in_thread
from ptmtorrent.model.oid import sha256_of
from ptmtorrent.model.visit import Holding, Ref, Visit
from ptmtorrent.store.base import BlobStore


@dataclass(frozen=True, slots=True)
class Base:
    """What is held of an origin already: its newest visit, and the packs that keep it."""

    store: BlobStore
    holding: Holding
    visit: Visit


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
        self._folder.mkdir(exist_ok=True)

    async def place(self, base: Base) -> None:
        """Put held packs in, with the refs of the visit they belong to."""
        self.base_packs = base.holding.packs
        for name in self.base_packs:
            target = self._folder / f"pack-{name[:40]}.pack"
            await in_thread(base.store.place, name, target)
            result = await self.git.local(["index-pack", str(target)], self.path)
            if result.returncode:
                raise IntegrityError(
                    f"the held pack {name} of {base.visit.url} is not readable: {result.stderr};"
                    " run `ptmtorrent verify`"
                )
        (self.path / "packed-refs").write_bytes(_packed(base.visit.refs))

    async def take(self, base: Base, oids: Sequence[str]) -> set[str]:
        """Copy objects out of held packs, as if the server had sent them; returns which.

        The packs themselves stay outside: what else they hold may be of a history long gone.
        """
        shelf = Quarantine(self.path / "shelf", self.git)
        shelf.path.mkdir()
        await shelf.prepare()
        await shelf.place(base)
        taken = await shelf.among(oids)
        if taken:
            prefix, asked = str(self._folder / "pack"), "\n".join(sorted(taken)) + "\n"
            name = await shelf.local("pack-objects", "-q", prefix, stdin=asked.encode())
            (self._folder / f"pack-{name.decode().strip()}.promisor").touch()
        return taken

    async def among(self, oids: Sequence[str]) -> set[str]:
        """Those of some objects that are here."""
        asked = "".join(f"{oid}\n" for oid in oids).encode()
        output = await self.local("cat-file", "--batch-check=%(objectname)", stdin=asked)
        rows = [line.decode().split(" ") for line in output.splitlines()]
        return {row[0] for row in rows if len(row) == 1}

    async def refs(self) -> dict[str, tuple[str, str, str | None]]:
        """Full name -> (target, type, commit that tags lead to or None)."""
        fields = "--format=%(objectname) %(objecttype) %(refname)"
        output = await self.local("for-each-ref", fields, "refs/heads", "refs/tags")
        rows = [line.split(b" ", 2) for line in output.splitlines()]
        commits = await self._commits([target for target, _, _ in rows])
        return {
            name.decode("utf-8", "surrogateescape"): (target.decode(), kind.decode(), commit)
            for (target, kind, name), commit in zip(rows, commits, strict=True)
        }

    async def _commits(self, oids: Sequence[bytes]) -> list[str | None]:
        """The commit that each object is, or leads to through any number of tags, or None."""
        asked = b"".join(oid + b"^{}\n" for oid in oids)
        fields = "--batch-check=%(objecttype) %(objectname)"
        output = await self.local("cat-file", fields, stdin=asked)
        rows = [line.split(b" ") for line in output.splitlines()]
        return [oid.decode() if kind == b"commit" else None for kind, oid in rows]

    async def missing(self, *revisions: str) -> list[str]:
        """Oids of objects that these revisions need and that are not here, sorted."""
        output = await self.local(
            "rev-list", "--objects", "--missing=print", "--no-object-names", *revisions
        )
        return sorted({line[1:].decode() for line in output.splitlines() if line[:1] == b"?"})

    async def missing_from(self, tips: Sequence[str]) -> set[str]:
        """Oids that some objects lead to and that are not here. CorruptError: a tip is not."""
        asked = "".join(f"{oid}\n" for oid in tips).encode()
        output = await self.local(
            *("rev-list", "--objects", "--missing=print", "--no-object-names", "--stdin"),
            stdin=asked,
        )
        return {line[1:].decode() for line in output.splitlines() if line[:1] == b"?"}

    async def missing_in_tree(self, head: str) -> list[str]:
        """Oids of blobs of one commit's tree that are not here, sorted."""
        return await self.missing("--no-walk", head)

    async def repack(self) -> None:
        """Make all packs one."""
        await self.local("repack", "-a", "-d", "-q", "--threads=1")

    async def unite(self) -> None:
        """Make all packs one, placed ones included, and check that no object is lost.

        What no ref reaches any more stays, for older visits need it. The new pack is read whole.
        CorruptError when it is not what the packs before it were.
        """
        before = await self._inventory()
        await self.local("repack", "-a", "-d", "-k", "-q", "--threads=1")
        self.base_packs = ()
        packs = self.packs()
        await self.local("verify-pack", *(str(pack) for pack in packs))
        await self.local("rev-list", "--objects", "--quiet", "--all")
        if len(packs) != 1 or await self._inventory() != before:
            raise CorruptError("the repacked objects are not those of the packs before")

    async def _inventory(self) -> str:
        """The digest of the list of all objects here."""
        command = ("cat-file", "--batch-all-objects", "--batch-check=%(objectname) %(objecttype)")
        return sha256_of(await self.local(*command))

    def has_loose_objects(self) -> bool:
        """Whether an object came that is in no pack; a fetch brings packs, and they are checked."""
        return any(len(folder.name) == 2 for folder in self._folder.parent.iterdir())

    def packs(self) -> list[Path]:
        """Packs that came in by the fetch, by name."""
        placed = {f"pack-{name[:40]}.pack" for name in self.base_packs}
        found = self._folder.glob("pack-*.pack")
        return sorted(pack for pack in found if pack.name not in placed)

    def pack_bytes(self) -> int:
        """Their size together."""
        return sum(pack.stat().st_size for pack in self.packs())

    async def local(self, *args: str, stdin: bytes | None = None) -> bytes:
        """Run git here, without any network; its stdout. CorruptError when it fails."""
        result = await self.git.local(args, self.path, stdin=stdin)
        if result.returncode:
            raise CorruptError(f"git {args[0]} failed on what was fetched: {result.stderr}")
        return result.stdout

    async def remove(self) -> None:
        """Remove it with everything in it."""
        await in_thread(shutil.rmtree, self.path, True)

    @property
    def _folder(self) -> Path:
        return self.path / "objects" / "pack"


def _packed(refs: Sequence[Ref]) -> bytes:
    lines = [
        f"{ref.target} {ref.name}\n".encode("utf-8", "surrogateescape")
        for ref in sorted(refs, key=lambda ref: ref.name)
    ]
    return b"".join(lines)
