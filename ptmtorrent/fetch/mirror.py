"""Look at one origin and bring in what is new.

1. Ask ``info/refs`` over our own transport: one request tells redirects, refusals and the refs.
   An origin whose refs are those of the held visit ends here.
2. Ask for one pack with what branches and tags lead to beyond the held packs (``packs``).
3. What the server cannot send whole is fetched by git, filtered, and the missing blobs by id
   (``partial``).
4. What was announced must be here.
5. When there are many packs, or the new one outweighs the others, they are made one. A pack that
   was fetched alone replaces those before it, with a small one of what only they had.
6. Packs and large files of the head go into the store; the visit and its holding say so.

A step that fails leaves nothing but a directory that the next writer removes.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from ptmtorrent import disk
from ptmtorrent.errors import CorruptError, FailError, IntegrityError, SkipError, SkipReason
from ptmtorrent.fetch.git import Git
from ptmtorrent.fetch.objects import ForgeOf
from ptmtorrent.fetch.packs import PackFetcher, PackWish
from ptmtorrent.fetch.partial import (
    FILTERED,
    Limits,
    Wish,
    changed,
    fetch_partly,
    sent_too_little,
    sent_too_much,
)
from ptmtorrent.fetch.quarantine import Base, Quarantine
from ptmtorrent.fetch.threads import in_thread
from ptmtorrent.model.oid import sha256_of
from ptmtorrent.model.visit import Holding, NotHeld, Ref, Visit, Wanted
from ptmtorrent.model.work import Depth, Moved, OriginTask, Visited
from ptmtorrent.net.advertisement import Advertisement, parse_advertisement
from ptmtorrent.net.gitpatience import GitPatience
from ptmtorrent.net.gitproc import GitResult
from ptmtorrent.net.gitwords import explain_git
from ptmtorrent.net.http import Transport
from ptmtorrent.store.base import BlobStore

ADVERTISEMENT = "application/x-git-upload-pack-advertisement"
REFS = "/info/refs?service=git-upload-pack"
REFSPECS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
MOST_PACKS = 8
"""Packs of one holding; more are made one."""
HEAD_ALONE = "refs/alone/HEAD"
"""Where a HEAD is put that no branch or tag leads to."""


class Inventory(Protocol):
    """What is found in a repository that was fetched."""

    @property
    def kinds(self) -> Mapping[str, tuple[str, str | None]]:
        """Of what was announced, the objects that are here: type, and the commit they lead to."""
        ...

    @property
    def wanted(self) -> tuple[Wanted, ...]:
        """What the files of the head stand for."""
        ...


@dataclass(frozen=True, slots=True)
class Announced:
    """What an origin announced, and the URL that it serves git at."""

    advertisement: Advertisement
    place: str


LookOver = Callable[[Path, Collection[str], str | None, BlobStore], Inventory]
"""Looks for objects, and lists what a head stands for, putting large files into the store."""


@dataclass(frozen=True, slots=True)
class Mirror:
    """Visits origins."""

    transport: Transport
    git: Git
    store: BlobStore
    forge_of: ForgeOf
    look_over: LookOver
    limits: Limits
    patience: GitPatience = field(default_factory=GitPatience)

    @property
    def packs(self) -> PackFetcher:
        """What asks for packs."""
        return PackFetcher(self.transport, self.git, self.limits.max_pack)

    async def visit(self, task: OriginTask) -> Visited | Moved:
        """Look at an origin and hold what it is.

        Raises:
            SkipError: gated, gone, private, empty, ...
            FailError: it could not be had, or was not what it said.
        """
        task = self._on_what_is_here(task)
        seen = await self._look(task.url)
        if isinstance(seen, Moved):
            return seen
        if seen.advertisement.head is None and not seen.advertisement.refs:
            raise SkipError("the repository has no commits", SkipReason.EMPTY, url=task.url)
        if _is_same(task, seen.advertisement):
            return self._again(task)
        async with self.quarantine() as quarantine:
            return await self._bring_in(task, seen, quarantine)

    def _on_what_is_here(self, task: OriginTask) -> OriginTask:
        """The task, without its base when a pack of that is lost."""
        if task.base is None or all(self.store.has(pack) for pack in task.base.packs):
            return task
        return replace(task, base=None, base_visit=None)

    async def _look(self, url: str) -> Announced | Moved:
        """The refs of an origin; or, when a redirect led to another origin, to which.

        What redirects to another spelling of itself (``NAME.git``) is asked for packs there, as git
        does (``http.followRedirects=initial``).
        """
        forge = self.forge_of(url)
        place = forge.git_url(url)
        response = await self.transport.get(f"{place}{REFS}", accept=ADVERTISEMENT)
        if response.status != 200:
            raise forge.explain(url, response.status, response.headers, response.body)
        found = forge.origin_of(response.url)
        if found != url:
            return Moved(found)
        if not response.headers.get("content-type", "").startswith(ADVERTISEMENT):
            raise CorruptError("the git server answered with something else than refs", url=url)
        if response.url.endswith(REFS):
            place = response.url.removesuffix(REFS)
        return Announced(parse_advertisement(response.body), place)

    def _again(self, task: OriginTask) -> Visited:
        """The held state once more, under the name the origin has now."""
        assert task.base is not None  # noqa: S101  # _is_same said so
        assert task.base_visit is not None  # noqa: S101
        visit = replace(task.base_visit, url=task.url)
        return Visited(visit, replace(task.base, visit=sha256_of(visit.to_bytes())))

    @asynccontextmanager
    async def quarantine(self) -> AsyncIterator[Quarantine]:
        """An empty repository of our own, gone at the end."""
        quarantine = Quarantine(await in_thread(self.store.scratch), self.git)
        try:
            with disk.refusals(quarantine.path):
                quarantine.prepare()
                yield quarantine
        finally:
            await asyncio.shield(quarantine.remove())

    async def _bring_in(self, task: OriginTask, seen: Announced, quarantine: Quarantine) -> Visited:
        held = self._base(task)
        if held is not None and held.visit.is_complete:
            await quarantine.place(held)
        advertisement = seen.advertisement
        used, not_held = await self._fetch(task, seen, quarantine)
        targets, head = advertisement.targets, advertisement.head
        found = await in_thread(self.look_over, quarantine.path, targets, head, self.store)
        if found.kinds.keys() != targets:
            raise changed(task.url)
        visit = Visit(
            url=task.url,
            refs=tuple(
                Ref(name, target, *found.kinds[target])
                for name, target in sorted(advertisement.refs.items())
            ),
            head_ref=advertisement.head_ref,
            head=advertisement.head,
            filter=used,
            not_held=not_held,
        )
        base = task.base if quarantine.base_packs else None
        beyond = await self._beyond(held, quarantine) if held and not base else None
        result = await self._hold(visit, found.wanted, base, quarantine)
        if held is None or beyond is None:
            return result
        gone = set(held.holding.packs) - {*result.holding.packs, *beyond}
        return replace(result, replaced=tuple(sorted(gone)), beyond=beyond)

    async def _beyond(self, held: Base, quarantine: Quarantine) -> tuple[str, ...] | None:
        """What is held and did not come again, as a pack of its own, or as none.

        None when the held packs are to stay: they cannot be read, or that is most of them.
        """
        try:
            pack = await quarantine.beyond(held)
        except (CorruptError, IntegrityError):
            return None
        if pack is None:
            return ()
        if 2 * pack.stat().st_size > held.holding.pack_bytes:
            return None
        name = await in_thread(_sha256_file, pack)
        await in_thread(self.store.adopt, pack, name)
        return (name,)

    def _base(self, task: OriginTask) -> Base | None:
        if task.base is None or task.base_visit is None:
            return None
        return Base(self.store, task.base, task.base_visit)

    async def _fetch(
        self, task: OriginTask, seen: Announced, quarantine: Quarantine
    ) -> tuple[str | None, tuple[NotHeld, ...]]:
        """Fetch, whole if possible; returns the filter used and what is not held."""
        forge = self.forge_of(task.url)
        wish = PackWish(forge, task.url, seen.place, seen.advertisement, self._base(task))
        trouble = await self._ask(wish, quarantine)
        if trouble is None:
            return None, ()
        return await self._fetch_partly(task, seen, quarantine, trouble)

    async def _ask(self, wish: PackWish, quarantine: Quarantine) -> GitResult | None:
        """Ask for a pack until it is here, or the server cannot send it whole: how it says so."""
        clock, errors = self.git.gates.clock, list[Exception]()
        while True:
            try:
                trouble = await self.packs.bring(wish, quarantine)
                if trouble is None or sent_too_much(trouble) or sent_too_little(trouble):
                    return trouble
                errors.append(explain_git(trouble, wish.origin))
            except FailError as error:
                errors.append(error)
            pause_s = self.patience.again(errors, clock.random)
            if pause_s is None:
                raise errors[-1]
            await clock.sleep(pause_s)

    async def _fetch_partly(
        self,
        task: OriginTask,
        seen: Announced,
        quarantine: Quarantine,
        trouble: GitResult,
    ) -> tuple[str | None, tuple[NotHeld, ...]]:
        await quarantine.start_over()
        wish = Wish(
            seen.place,
            _specs(seen.advertisement),
            seen.advertisement.refs,
            seen.advertisement.head,
            task.depth >= Depth.FULL,
            self._base(task),
        )
        found = await fetch_partly(quarantine, wish, self.limits, trouble)
        self.git.counts.bytes += quarantine.pack_bytes()
        return found

    async def _hold(
        self,
        visit: Visit,
        wanted: tuple[Wanted, ...],
        base: Holding | None,
        quarantine: Quarantine,
    ) -> Visited:
        received, replaced = quarantine.pack_bytes(), base
        if base is not None and is_to_repack(base, len(quarantine.packs()), received):
            await quarantine.unite()
            base = None
        names, size = list(base.packs if base else ()), base.pack_bytes if base else 0
        for pack in quarantine.packs():
            size += pack.stat().st_size
            name = await _name_of(pack, quarantine)
            await in_thread(self.store.adopt, pack, name)
            names += [name] if name not in names else []
        holding = Holding(
            visit=sha256_of(visit.to_bytes()),
            packs=tuple(names),
            wanted=wanted,
            pack_bytes=size,
            git=self.git.version,
        )
        gone = set(replaced.packs) - set(names) if replaced else set()
        return Visited(visit, holding, received, tuple(sorted(gone)))


async def _name_of(pack: Path, quarantine: Quarantine) -> str:
    """Its sha256; read again only if it was not hashed as it came."""
    known = quarantine.digests.get(pack)
    return await in_thread(_sha256_file, pack) if known is None else known


def is_to_repack(base: Holding, packs: int, size: int) -> bool:
    """Whether a holding and so many new packs of so many bytes are to be made one pack."""
    return packs > 0 and (len(base.packs) + packs > MOST_PACKS or size > base.pack_bytes)


def _specs(advertisement: Advertisement) -> tuple[str, ...]:
    """What is fetched: branches, tags, and HEAD where it names none of these branches."""
    branch = advertisement.refs.get(advertisement.head_ref or "")
    if advertisement.head in (None, branch):
        return REFSPECS
    return (*REFSPECS, f"+HEAD:{HEAD_ALONE}")


def _is_same(task: OriginTask, advertisement: Advertisement) -> bool:
    """Whether the held visit is what is announced, held as deeply as it can be had."""
    visit = task.base_visit
    if visit is None or (task.depth >= Depth.FULL and _is_shallow(visit)):
        return False
    held = {ref.name: ref.target for ref in visit.refs}
    return (held, visit.head_ref, visit.head) == (
        advertisement.refs,
        advertisement.head_ref,
        advertisement.head,
    )


def _is_shallow(visit: Visit) -> bool:
    """Whether blobs of the head were left out that nobody has asked for by id yet."""
    return any(blob.reason == FILTERED for blob in visit.not_held)


def _sha256_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
