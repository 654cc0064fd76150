"""A throw-away bare repository that a fetch goes into, and the git commands run in it.

Nothing of it is kept but its packs. Held packs can be placed in it first, with the refs they were
fetched for, so that the server sends only what is new.
"""

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ptmtorrent import disk
from ptmtorrent.errors import CorruptError, IntegrityError
from ptmtorrent.fetch.git import Git
from ptmtorrent.fetch.threads import in_thread
from ptmtorrent.model import bare
from ptmtorrent.model.oid import sha256_of
from ptmtorrent.model.visit import Holding, Visit
from ptmtorrent.net.gitproc import HARMLESS, GitResult
from ptmtorrent.store.base import BlobStore

_LINE = re.compile(rb".+")
_LENIENT = ",".join(f"{fault}=warn" for fault in HARMLESS)


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
        digests: the sha256 of packs that were hashed as they came.
    """

    path: Path
    git: Git
    base_packs: tuple[str, ...] = ()
    digests: dict[Path, str] = field(default_factory=dict)

    def prepare(self) -> None:
        """Make it an empty repository (gitrepository-layout)."""
        with disk.refusals(self.path):
            self._folder.mkdir(parents=True)
            (self.path / "refs").mkdir()
            (self.path / "config").write_text(bare.CONFIG)
            (self.path / "HEAD").write_text("ref: refs/heads/main\n")

    @property
    def incoming(self) -> Path:
        """Where a pack is written to before git has seen it.

        ``git repack`` removes only packs whose names end in as many digits as an object's.
        """
        return self._folder / f"pack-{'0' * 40}.pack"

    async def index(self, sha256: str, refs: Mapping[str, str]) -> GitResult | None:
        """Take the incoming pack in, with the refs it was sent for; git's complaint if it is bad.

        Every object is checked, and so is that what it leads to is here, in this pack or another.
        """
        arguments = ["index-pack", f"--strict={_LENIENT}", str(self.incoming)]
        result = await self.git.local(arguments, self.path)
        if result.returncode:
            return result
        self.digests[self.incoming] = sha256
        self._write_refs(refs)
        return None

    def _write_refs(self, refs: Mapping[str, str]) -> None:
        lines = [f"{target} {name}\n" for name, target in sorted(refs.items())]
        with disk.refusals(self.path):
            (self.path / "packed-refs").write_bytes(_encoded("".join(lines)))

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
        self._write_refs({ref.name: ref.target for ref in base.visit.refs})

    async def take(self, base: Base, oids: Sequence[str]) -> set[str]:
        """Copy objects out of held packs, as if the server had sent them; returns which.

        The packs themselves stay outside: what else they hold may be of a history long gone.
        """
        shelf = await self._shelf(base)
        taken = await shelf.among(oids)
        if taken:
            pack = await shelf.pack(self._folder, sorted(taken))
            pack.with_suffix(".promisor").touch()
        return taken

    async def beyond(self, base: Base) -> Path | None:
        """A pack of all that held packs have and nothing here does; None when that is nothing.

        It stays outside as well. It is read whole.
        """
        shelf = await self._shelf(base)
        every = ("cat-file", "--batch-all-objects", "--batch-check=%(objectname)")
        lacking = only_in(await shelf.local(*every), await self.local(*every))
        if not lacking:
            return None
        pack = await shelf.pack(shelf.path, lacking)
        await shelf.local("verify-pack", str(pack))
        return pack

    async def pack(self, folder: Path, oids: Sequence[str]) -> Path:
        """Copy objects that are here into a pack of their own in a folder."""
        asked = "".join(f"{oid}\n" for oid in oids).encode()
        name = await self.local(
            "pack-objects", "-q", "--threads=1", str(folder / "pack"), stdin=asked
        )
        return folder / f"pack-{name.decode().strip()}.pack"

    async def _shelf(self, base: Base) -> "Quarantine":
        """Held packs, laid out beside what came."""
        shelf = Quarantine(self.path / "shelf", self.git)
        if not shelf.path.exists():
            shelf.prepare()
            await shelf.place(base)
        return shelf

    async def among(self, oids: Sequence[str]) -> set[str]:
        """Those of some objects that are here."""
        asked = "".join(f"{oid}\n" for oid in oids).encode()
        output = await self.local("cat-file", "--batch-check=%(objectname)", stdin=asked)
        rows = [line.decode().split(" ") for line in output.splitlines()]
        return {row[0] for row in rows if len(row) == 1}

    async def refs(self) -> dict[str, str]:
        """Full name -> target of the branches and tags that git has fetched."""
        fields = "--format=%(objectname) %(refname)"
        output = await self.local("for-each-ref", fields, "refs/heads", "refs/tags")
        rows = [line.split(b" ", 1) for line in output.splitlines()]
        return {name.decode("utf-8", "surrogateescape"): oid.decode() for oid, name in rows}

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

    async def start_over(self) -> None:
        """Make it empty again."""
        await self.remove()
        self.base_packs = ()
        self.digests.clear()
        self.prepare()

    async def remove(self) -> None:
        """Remove it with everything in it."""
        await in_thread(shutil.rmtree, self.path, True)

    @property
    def _folder(self) -> Path:
        return self.path / "objects" / "pack"


def only_in(first: bytes, second: bytes) -> list[str]:
    """The lines of a sorted text that another one lacks; the texts are large, and not copied."""
    lines = (match[0] for match in _LINE.finditer(second))
    other, found = next(lines, None), list[str]()
    for line in (match[0] for match in _LINE.finditer(first)):
        while other is not None and other < line:
            other = next(lines, None)
        if line != other:
            found.append(line.decode())
    return found


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
