"""``fetch --repair``: what is damaged or missing, and can be had again, is.

Every blob is read. Bytes that are not what their name says are moved to ``store/v1/damaged``, never
deleted. Then what the journal needs and the store lacks is brought in: objects from whoever has
them, assets by their URL, large files out of the packs they came in, packs by fetching their origin
whole, visits out of the tables that tell of them. Listing pages and holdings cannot be had again:
they are what was seen on a day. An origin whose visit or holding is lost is visited again by the
next snapshot.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from ptmtorrent import disk
from ptmtorrent.app.context import Context
from ptmtorrent.app.retelling import retold
from ptmtorrent.app.session import Held, Online, held, online
from ptmtorrent.app.signals import run_stoppably
from ptmtorrent.collect import damage, reach
from ptmtorrent.collect.damage import Role, Use
from ptmtorrent.errors import FailError, IntegrityError, ItemError
from ptmtorrent.extract.wanted import look_over
from ptmtorrent.extract.workbench import workbench
from ptmtorrent.fetch.rebuild import Rebuilder
from ptmtorrent.fetch.threads import in_thread
from ptmtorrent.ledger.ledger import Ledger
from ptmtorrent.model.oid import is_sha256
from ptmtorrent.model.visit import Holding, Visit
from ptmtorrent.model.work import AssetTask, Depth, ObjectSource, ObjectTask
from ptmtorrent.pipeline.kept import read_holding, read_visit
from ptmtorrent.pipeline.lines import Kind, Line
from ptmtorrent.store.root import Root, open_root

NOT_AGAIN = {
    Role.PAGE: "a page is what a hub said that day; it cannot be had again",
    Role.VISIT: "a visit is what an origin was that day; the next snapshot visits it again",
    Role.HOLDING: "a holding is written once; the next snapshot visits its origin again",
}


class Fate(StrEnum):
    """What became of something damaged or missing."""

    REPAIRED = "repaired"
    LOST = "lost"
    UNREACHED = "unreached"
    """Its server could not be reached; running again may bring it."""
    UNNEEDED = "unneeded"
    """Damaged bytes that no root needs were set aside."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something damaged or missing (``kind``: its role, or ``blob``, or ``ledger``)."""

    kind: str
    name: str
    fate: Fate
    detail: str


@dataclass(slots=True)
class Repair:
    """One repair of a root whose writer we are."""

    here: Held
    net: Online
    depth: Depth
    findings: list[Finding] = field(default_factory=list)
    checked: int = 0

    async def run(self) -> None:
        """Check everything, set aside what is bad, bring in what is missing."""
        bad = await in_thread(self._set_bad_aside)
        lacking = await in_thread(self._lacking)
        for name in sorted(bad - lacking.keys()):
            fate = Fate.REPAIRED if self.here.store.has(name) else Fate.UNNEEDED
            self._found("blob", name, fate, "bad bytes set aside")
        await self._each(lacking, (Role.VISIT,))
        await self._packs([use for uses in lacking.values() for use in uses if _is_pack(use)])
        await self._each(lacking, set(Role) - {Role.VISIT, Role.PACK})
        await self.net.recorder.change(self._write_off)

    def _write_off(self, ledger: Ledger) -> None:
        """What is lost is to be asked for again by the next run."""
        lost = [found for found in self.findings if found.fate is not Fate.REPAIRED]
        ledger.roots.lose(found.name for found in lost if found.kind == Role.OBJECT)
        kept = (Role.VISIT, Role.HOLDING)
        ledger.roots.visit_again(found.name for found in lost if found.kind in kept)

    def _set_bad_aside(self) -> set[str]:
        store, bad = self.here.store, set[str]()
        for name in store.names():
            self.checked += 1
            if not store.is_sound(name):
                bad.add(name)
        for name in sorted(bad):
            store.set_aside(name)
        return bad

    def _lacking(self) -> dict[str, list[Use]]:
        """What the journal needs and the store lacks."""
        journal, store, reads = self.here.journal, self.here.store, self.here.ledger.reads
        aside = set_aside_before(self.here.root)
        replaced = reach.successions(journal.entries())
        needed = damage.uses(journal.entries(), store, replaced)
        return damage.lacking(needed, store, lambda name: name in aside or reads.is_held(name))

    async def _each(self, lacking: Mapping[str, list[Use]], roles: Collection[Role]) -> None:
        """Bring in the blobs of these roles; visits come first, for packs and files need them."""
        for name, uses in sorted(lacking.items()):
            if uses[0].role in roles:
                await self._one(name, uses)

    async def _one(self, name: str, uses: list[Use]) -> None:
        """Bring one blob in again, in whatever role it is needed."""
        error: ItemError | IntegrityError | None = None
        for use in _ways(uses):
            try:
                await self._bring(use, uses)
            except (ItemError, IntegrityError) as failed:
                error = failed
            if self.here.store.has(name):
                await self._hold(name)
                self._found(use.role, name, Fate.REPAIRED, _how(use))
                return
        role, place = uses[0].role, uses[0].kept.place
        text = NOT_AGAIN.get(role, str(error or "what came is something else now"))
        self._found(role, name, _fate_of(error), f"{place}: {text}")

    async def _hold(self, name: str) -> None:
        """A blob is here again: durably, and the ledger knows."""
        held = [(name, self.here.store.size(name))]
        await self.net.recorder.record(changes=[lambda ledger: ledger.roots.hold(held)])

    async def _bring(self, use: Use, uses: list[Use]) -> None:
        match use.role:
            case Role.OBJECT:
                await self.net.objects.fetch(self._object_task(uses))
            case Role.ASSET:
                await self.net.assets.fetch(AssetTask(use.url, None))
            case Role.FILE:
                await in_thread(self._take_out_of_packs, use)
            case Role.VISIT:
                if await in_thread(self._retell, use):
                    await self.net.recorder.change(lambda _: self._take_in_again(use))

    def _object_task(self, uses: list[Use]) -> ObjectTask:
        """Every revision that ever named the object, the newest first."""
        sources: dict[tuple[str, str], ObjectSource] = {}
        for use in reversed(uses):
            if use.wanted is not None and use.wanted.lfs and self.here.store.has(use.kept.visit):
                visit = self._visit(use)
                place = (visit.url, use.wanted.path)
                source = ObjectSource(visit.url, str(visit.head), use.wanted.path, use.wanted.size)
                sources.setdefault(place, source)
        size = next(use.wanted.size for use in uses if use.wanted is not None)
        return ObjectTask(uses[0].name, size, tuple(sources.values()))

    def _retell(self, use: Use) -> bool:
        visit = retold(self.here.dataset, use.name)
        return visit is not None and self.here.store.put(visit) == use.name

    def _take_in_again(self, use: Use) -> None:
        """The lines of a visit that is here again."""
        for entry in self.here.journal.entries():
            if entry.kind == Kind.VISIT and entry.payload["visit"] == use.name:
                self.here.intake.complete(entry)

    def _take_out_of_packs(self, use: Use) -> None:
        visit = self._visit(use)
        with workbench(self.here.store, visit, self._holding(use)) as view:
            look_over(Path(view.repo.git_dir), (), str(visit.head), self.here.store)

    async def _packs(self, uses: list[Use]) -> None:
        """Fetch each origin that lost packs, once, and let its visits be kept by what came."""
        by_url: dict[str, list[Use]] = {}
        for use in uses:
            url = self._visit(use).url if self.here.store.has(use.kept.visit) else ""
            by_url.setdefault(url, []).append(use)
        for url, of_one in sorted(by_url.items()):
            try:
                fates = await self._rebuild(url, of_one)
            except (ItemError, IntegrityError) as error:
                text = f"{url}: {error}"
                fates = {use.name: (_fate_of(error), text) for use in of_one}
            for name, (fate, text) in sorted(fates.items()):
                self._found(Role.PACK, name, fate, text)

    async def _rebuild(self, url: str, uses: list[Use]) -> dict[str, tuple[Fate, str]]:
        """What becomes of the packs an origin lost."""
        if not url:
            raise IntegrityError("the visit that it belongs to is lost too")
        rebuilder = Rebuilder(self.net.mirror)
        now = await rebuilder.fetch(url, self.depth)
        fates = {use.name: (Fate.REPAIRED, f"{url}: fetched whole again") for use in uses}
        lines: list[Line] = []
        for kept in sorted({use.kept for use in uses}, key=lambda k: (k.snapshot, k.holding)):
            before = read_holding(self.here.store, kept.holding)
            visit = read_visit(self.here.store, kept.visit)
            after = await rebuilder.kept_by(visit, before, now)
            if after is None:
                text = f"{url}: visit {kept.visit} cannot be had again, its origin moved on"
                fates |= {pack: (Fate.LOST, text) for pack in before.packs if pack in fates}
                continue
            holding = self.here.store.put(after.to_bytes())
            if holding == kept.holding:
                continue  # the very same packs came again
            names = {"visit": kept.visit, "holding": holding, "replaces": kept.holding}
            place = {"snapshot": kept.snapshot, "hub": kept.hub}
            lines.append(Line(Kind.REPACK, {**place, **names}))
        await self.net.recorder.record(lines)
        return fates

    def _visit(self, use: Use) -> Visit:
        return read_visit(self.here.store, use.kept.visit)

    def _holding(self, use: Use) -> Holding:
        """The holding that keeps the visit by now."""
        replaced = reach.successions(self.here.journal.entries())
        return reach.holding_of(self.here.store, reach.heir(use.kept.holding, replaced))

    def _found(self, kind: str, name: str, fate: Fate, detail: str) -> None:
        self.findings.append(Finding(kind, name, fate, detail))


def repair(context: Context) -> int:
    """Check the whole root and bring in again what can be; returns the exit code."""
    root = open_root(context.root, create=False)
    findings = list(_set_ledger_aside(root))
    with held(context.root, create=False, say=context.console.note) as here:
        checked, more = run_stoppably(_repair(context, here))
    findings += more
    _show(context, checked, findings)
    return exit_code(findings)


async def _repair(context: Context, here: Held) -> tuple[int, list[Finding]]:
    watch = context.console.watch
    async with online(here, context.settings, context.clock, watch, context.agent) as net:
        work = Repair(here, net, context.settings.depth)
        await work.run()
    return work.checked, work.findings


def exit_code(findings: list[Finding]) -> int:
    """0 when nothing bad is left, 6 when something is lost, 5 when running again may help."""
    fates = {finding.fate for finding in findings}
    if Fate.LOST in fates:
        return IntegrityError.exit_code
    return 5 if Fate.UNREACHED in fates else 0


def _set_ledger_aside(root: Root) -> Iterator[Finding]:
    """Move a damaged ledger to ``ledger.damaged-N``; opening the root then makes it anew."""
    path = root.layout.ledger
    with root.writing():
        if not path.exists():
            return
        try:
            ledger = Ledger.open(path)
            try:
                ledger.check()
            finally:
                ledger.close()
        except IntegrityError as error:
            target = _free_name(root.path)
            _move_with_log(path, target)
            text = f"{error}; moved to {target.name}, and rebuilt from the journal"
            yield Finding("ledger", path.name, Fate.REPAIRED, text)


def _free_name(folder: Path) -> Path:
    number = 1
    while (target := folder / f"ledger.damaged-{number}").exists():
        number += 1
    return target


def _move_with_log(path: Path, target: Path) -> None:
    """Its log first: a new ledger must not find the log of the old one."""
    with disk.refusals(path):
        for suffix in ("-wal", "-shm", ""):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(target.with_name(target.name + suffix))
        disk.sync_dir(path.parent)


def set_aside_before(root: Root) -> frozenset[str]:
    """The blobs whose bytes were set aside, by this repair or an earlier one."""
    folder = root.layout.damaged
    found = (path.name.partition(".")[0] for path in folder.glob("*"))
    return frozenset(name for name in found if is_sha256(name))


def _is_pack(use: Use) -> bool:
    return use.role is Role.PACK


def _ways(uses: list[Use]) -> list[Use]:
    """One use of each role, the cheapest to serve first."""
    first = {use.role: use for use in uses}
    roles = (Role.VISIT, Role.FILE, Role.OBJECT, Role.ASSET)
    return [first[role] for role in roles if role in first]


def _fate_of(error: Exception | None) -> Fate:
    is_passing = isinstance(error, FailError) and error.transient
    return Fate.UNREACHED if is_passing else Fate.LOST


def _how(use: Use) -> str:
    if use.role is Role.FILE:
        return "taken out of its pack again"
    if use.role is Role.VISIT:
        return "written again from the tables that tell of it"
    return "fetched again"


def _show(context: Context, checked: int, findings: list[Finding]) -> None:
    counts = {fate: sum(f.fate is fate for f in findings) for fate in Fate}
    if context.console.as_json:
        for found in findings:
            place = {"kind": str(found.kind), "name": found.name}
            context.console.record({**place, "outcome": found.fate, "detail": found.detail})
        context.console.record({"checked": checked} | {str(f): n for f, n in counts.items()})
        return
    for found in findings:
        context.console.result(f"{found.fate}: {found.kind} {found.name}: {found.detail}")
    words = ", ".join(f"{count} {fate}" for fate, count in counts.items() if count)
    context.console.result(f"{checked} blobs checked; {words or 'nothing is damaged or missing'}")
