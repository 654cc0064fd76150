"""Look at one origin and bring in what is new.

1. Ask ``info/refs`` over our own transport: one request tells redirects, refusals and the refs.
   An origin whose refs are those of the held visit ends here.
2. Fetch branches and tags into a quarantine, on top of the held packs (unfiltered origins only).
3. What the server cannot send whole is fetched filtered, and the missing blobs by id (``partial``).
4. The refs that arrived must be the refs that were announced.
5. When there are many packs, or the new one outweighs the others, they are made one.
6. Packs and large files of the head go into the store; the visit and its holding say so.

A step that fails leaves nothing but a directory that the next writer removes.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from ptmtorrent import disk
from ptmtorrent.errors import (
    CorruptError,
    FailError,
    FailReason,
    SkipError,
    SkipReason,
)
from ptmtorrent.fetch.git import Git
from ptmtorrent.fetch.objects import ForgeOf
from ptmtorrent.fetch.partial import (
    FILTERED,
    Limits,
    Wish,
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
REFSPECS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
MOST_PACKS = 8
"""Packs of one holding; more are made one."""
HEAD_ALONE = "refs/alone/HEAD"
"""Where a HEAD is put that no branch or tag leads to."""

Keep = Callable[[Path, str, BlobStore], tuple[Wanted, ...]]
"""Lists what a head stands for, putting large files that came in git into the store."""


@dataclass(frozen=True, slots=True)
class Mirror:
    """Visits origins."""

    transport: Transport
    git: Git
    store: BlobStore
    forge_of: ForgeOf
    keep: Keep
    limits: Limits
    patience: GitPatience = field(default_factory=GitPatience)

    async def visit(self, task: OriginTask) -> Visited | Moved:
        """Look at an origin and hold what it is.

        Raises:
            SkipError: gated, gone, private, empty, ...
            FailError: it could not be had, or was not what it said.
        """
        task = self._on_what_is_here(task)
        advertisement, moved_to = await self._look(task.url)
        if moved_to is not None:
            return Moved(moved_to)
        if advertisement.head is None and not advertisement.refs:
            raise SkipError("the repository has no commits", SkipReason.EMPTY, url=task.url)
        if _is_same(task, advertisement):
            return self._again(task)
        async with self.quarantine() as quarantine:
            return await self._bring_in(task, advertisement, quarantine)

    def _on_what_is_here(self, task: OriginTask) -> OriginTask:
        """The task, without its base when a pack of that is lost."""
        if task.base is None or all(self.store.has(pack) for pack in task.base.packs):
            return task
        return replace(task, base=None, base_visit=None)

    async def _look(self, url: str) -> tuple[Advertisement, str | None]:
        forge = self.forge_of(url)
        asked = f"{forge.git_url(url)}/info/refs?service=git-upload-pack"
        response = await self.transport.get(asked, accept=ADVERTISEMENT)
        if response.status != 200:
            raise forge.explain(url, response.status, response.headers, response.body)
        found = forge.origin_of(response.url)
        if found != url:
            return Advertisement(), found
        if not response.headers.get("content-type", "").startswith(ADVERTISEMENT):
            raise CorruptError("the git server answered with something else than refs", url=url)
        return parse_advertisement(response.body), None

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
                await quarantine.prepare()
                yield quarantine
        finally:
            await asyncio.shield(quarantine.remove())

    async def _bring_in(
        self, task: OriginTask, advertisement: Advertisement, quarantine: Quarantine
    ) -> Visited:
        base = self._base(task)
        if base is not None and base.visit.is_complete:
            await quarantine.place(base)
        used, not_held = await self._fetch(task, advertisement, quarantine)
        if quarantine.has_loose_objects():
            text = "the server has files for git, and no packs (the dumb protocol)"
            raise CorruptError(text, url=task.url)
        refs = await quarantine.refs()
        targets = {name: target for name, (target, _, _) in refs.items()}
        heads = [advertisement.head] if advertisement.head else []
        if targets != advertisement.refs or len(await quarantine.among(heads)) != len(heads):
            text = "what arrived is not what was announced (perhaps somebody pushed meanwhile)"
            raise FailError(text, FailReason.CORRUPT, url=task.url, transient=True)
        visit = Visit(
            url=task.url,
            refs=tuple(Ref(name, *refs[name]) for name in sorted(refs)),
            head_ref=advertisement.head_ref,
            head=advertisement.head,
            filter=used,
            not_held=not_held,
        )
        return await self._hold(visit, task.base if quarantine.base_packs else None, quarantine)

    def _base(self, task: OriginTask) -> Base | None:
        if task.base is None or task.base_visit is None:
            return None
        return Base(self.store, task.base, task.base_visit)

    async def _fetch(
        self, task: OriginTask, advertisement: Advertisement, quarantine: Quarantine
    ) -> tuple[str | None, tuple[NotHeld, ...]]:
        """Fetch, whole if possible; returns the filter used and what is not held."""
        forge = self.forge_of(task.url)
        url = forge.git_url(task.url)
        specs = _specs(advertisement)
        arguments = ["--prune", "--", "{url}", *specs]
        result = await self._ask_git(arguments, quarantine.path, url, task.url)
        if result.returncode == 0:
            return None, ()
        fresh = await self._start_over(quarantine)
        whole_head = task.depth >= Depth.FULL
        wish = Wish(url, specs, advertisement.head, whole_head, self._base(task))
        return await fetch_partly(fresh, wish, self.limits, result)

    async def _ask_git(
        self, arguments: Sequence[str], path: Path, url: str, origin: str
    ) -> GitResult:
        """What git says in the end; what may have broken on the way is asked for again."""
        clock, errors = self.git.gates.clock, list[Exception]()
        while True:
            result = await self.git.fetch(arguments, path, url)
            if result.returncode == 0 or sent_too_much(result) or sent_too_little(result):
                return result
            errors.append(explain_git(result, origin))
            pause_s = self.patience.again(errors, clock.random)
            if pause_s is None:
                raise errors[-1]
            await clock.sleep(pause_s)

    async def _start_over(self, quarantine: Quarantine) -> Quarantine:
        await quarantine.remove()
        quarantine.path.mkdir()
        quarantine.base_packs = ()
        await quarantine.prepare()
        return quarantine

    async def _hold(self, visit: Visit, base: Holding | None, quarantine: Quarantine) -> Visited:
        received, replaced = quarantine.pack_bytes(), base
        if base is not None and is_to_repack(base, len(quarantine.packs()), received):
            await quarantine.unite()
            base = None
        wanted: tuple[Wanted, ...] = ()
        if visit.head is not None:
            wanted = await in_thread(self.keep, quarantine.path, visit.head, self.store)
        names, size = list(base.packs if base else ()), base.pack_bytes if base else 0
        for pack in quarantine.packs():
            size += pack.stat().st_size
            name = await in_thread(_sha256_file, pack)
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
