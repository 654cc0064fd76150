"""One function a command: build the real objects, run the passes, say what came of it."""

import asyncio
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from ptmtorrent import disk
from ptmtorrent.app.contents import open_dataset, package_of
from ptmtorrent.app.doctor import examine, exit_code
from ptmtorrent.app.finish import finish, summary_of
from ptmtorrent.app.run import Run, optional_hubs, plan_rows
from ptmtorrent.app.session import Held, held
from ptmtorrent.app.signals import run_stoppably
from ptmtorrent.console.health import show_health
from ptmtorrent.console.report import show
from ptmtorrent.console.standing import show_standing, status_rows
from ptmtorrent.console.summary import unreached
from ptmtorrent.console.terminal import Console
from ptmtorrent.errors import NotFoundError, UsageError
from ptmtorrent.hubs import HUBS
from ptmtorrent.ledger.ledger import Ledger
from ptmtorrent.ledger.rows import Snapshot
from ptmtorrent.model.clock import Clock
from ptmtorrent.model.work import Depth
from ptmtorrent.pipeline.choice import Begin, Resume, choose
from ptmtorrent.pipeline.lines import Kind
from ptmtorrent.query.answer import Answer
from ptmtorrent.sandbox import serve
from ptmtorrent.sandbox.generate import generate
from ptmtorrent.settings import Settings, defaults, load
from ptmtorrent.store.root import open_root

DEMO_QUESTION = """
SELECT license_spdx AS licence, count(*) AS packages, sum(commits)::BIGINT AS commits
FROM packages LEFT JOIN origins USING (origin_key)
GROUP BY licence ORDER BY packages DESC, licence
"""
PLAN_COLUMNS = ("host", "bucket", "requests", "bytes", "inodes", "hours")
SHOWN_ROWS = 1000
"""Rows of a table; more than that nobody reads."""

DEMO_KEY = b"ptmtorrent demo: not a secret key"[:32]
"""Pseudonyms of the demo's invented people are the same everywhere."""


MAKES_ROOT = ("list", "snapshot")
"""Commands that may begin with nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What every command gets from the command line."""

    root: Path
    settings: Settings
    clock: Clock
    console: Console
    version: str

    @property
    def tool(self) -> str:
        """Name and version."""
        return f"ptmtorrent {self.version}"

    @property
    def agent(self) -> str:
        """The User-Agent: who we are, and how to reach who runs us."""
        contact = self.settings.contact or "no contact given"
        return f"{self.tool.replace(' ', '/')} (+{contact})"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Options of the commands that work on a snapshot."""

    command: str
    as_of: str | None = None
    new: bool = False
    retry_failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryOptions:
    """A question and the form of its answer: ``table``, ``csv`` or ``json``."""

    sql: str
    form: str = "table"
    parquet: Path | None = None
    at: str | None = None


def load_settings(path: Path | None) -> Settings:
    """Settings from a file, or the defaults."""
    known = {kind.id: kind.settings for kind in HUBS}
    return defaults(known) if path is None else load(path, known)


def run_passes(context: Context, options: RunOptions) -> int:
    """The commands plan, list, fetch, build and snapshot; returns the exit code."""
    create = options.command in MAKES_ROOT
    with held(context.root, create=create, say=context.console.note) as here:
        snapshot = _snapshot(context, here, options)
        work = Run(
            here=here,
            settings=context.settings,
            snapshot=snapshot,
            clock=context.clock,
            watch=context.console.watch,
            tool=context.tool,
            agent=context.agent,
        )
        if options.command == "plan":
            return _plan(context, work)
        if snapshot.finished_at is not None:
            return _already(context, here, snapshot)
        _carry_out(context, work, options)
        summary = summary_of(here, snapshot.id, work.optional, work)
        troubles = here.ledger.reads.troubles(snapshot.seq, state="failed", count=100)
        show(context.console, summary, troubles)
        return summary.exit_code


def _carry_out(context: Context, work: Run, options: RunOptions) -> None:
    """The passes of one command."""
    listing = options.command in ("list", "snapshot")
    fetching = options.command in ("fetch", "snapshot")
    with context.console:
        if listing or fetching:
            run_stoppably(
                work.over_the_network(
                    listing=listing, fetching=fetching, retry_failed=options.retry_failed
                )
            )
        if options.command in ("build", "snapshot"):
            finish(work)


def _snapshot(context: Context, here: Held, options: RunOptions) -> Snapshot:
    """The snapshot to work on; begun now if there is none to resume."""
    day = options.as_of or context.clock.data().date().isoformat()
    snapshots = here.ledger.reads.snapshots()
    again = options.new or (bool(snapshots) and _wants_another(context, here, options))
    choice = choose(snapshots, day, again=again)
    if isinstance(choice, Resume) and (options.new or choice.snapshot.as_of != day):
        context.console.note(f"going on with snapshot {choice.snapshot.id}, which is unfinished")
    if not isinstance(choice, Begin):
        return choice.snapshot
    if options.command in ("fetch", "build", "plan"):
        raise NotFoundError("no snapshot is open; run `ptmtorrent list` or `snapshot` first")
    with here.ledger.transaction():
        entry = here.journal.append(
            Kind.BEGIN, context.clock.data(), snapshot=choice.id, as_of=choice.as_of
        )
        here.journal.sync()
        here.intake.take([entry])
    return here.ledger.reads.snapshots()[-1]


def _wants_another(context: Context, here: Held, options: RunOptions) -> bool:
    """Whether the last snapshot left something that running again may bring."""
    last = here.ledger.reads.snapshots()[-1]
    listings = here.ledger.reads.listings(last.seq)
    missed = unreached(listings, optional_hubs(context.settings))
    failed = here.ledger.reads.troubles(last.seq, state="failed", count=1)
    return bool(missed) or bool(options.retry_failed and failed)


def _already(context: Context, here: Held, snapshot: Snapshot) -> int:
    context.console.note(f"snapshot {snapshot.id} is finished; --new begins the next")
    show(context.console, summary_of(here, snapshot.id, optional_hubs(context.settings)), [])
    return 0


def _plan(context: Context, work: Run) -> int:
    rows = plan_rows(work.ahead(), _hosts())
    if context.console.as_json:
        for row in rows:
            context.console.record(row)
        return 0
    snapshot, depth = work.snapshot.id, context.settings.depth.word
    if not rows:
        words = f"of what is listed, snapshot {snapshot} has nothing left to ask for"
        context.console.result(f"{words}, at depth {depth}")
        return 0
    context.console.result(f"snapshot {snapshot} would still ask for, at depth {depth}\n")
    context.console.figures(
        PLAN_COLUMNS, [[row[column] for column in PLAN_COLUMNS] for row in rows]
    )
    return 0


def status(context: Context) -> int:
    """Where the newest snapshot stands; reads only, so it works beside a run."""
    root = open_root(context.root, create=False)
    ledger = Ledger.open_to_read(root.layout.ledger)
    try:
        snapshots = ledger.reads.snapshots()
        if not snapshots:
            raise NotFoundError(f"{context.root} has no snapshot yet")
        newest = snapshots[-1]
        rows = status_rows(ledger, newest, _hosts())
        ahead = sum(items for _, _, items, _ in ledger.reads.work_ahead(newest.seq))
    finally:
        ledger.close()
    if context.console.as_json:
        for row in rows:
            context.console.record(row)
        return 0
    show_standing(context.console, newest, rows, ahead)
    return 0


def doctor(context: Context) -> int:
    """Whether this machine is ready and the hubs answer; changes nothing."""
    findings = run_stoppably(examine(context.root, context.settings, context.agent))
    show_health(context.console, findings)
    return exit_code(findings)


def query(context: Context, options: QueryOptions) -> int:
    """Answer one question."""
    with open_dataset(context.root, options.at) as dataset:
        answer = dataset.answer(options.sql)
        if options.parquet is not None:
            answer.write_parquet(options.parquet)
        elif options.form == "csv":
            answer.write_csv(sys.stdout)
        elif options.form == "json":
            answer.write_json(sys.stdout)
        else:
            _show(context.console, answer)
    return 0


def _show(console: Console, answer: Answer) -> None:
    """An answer as a table, which has to fit into memory; what EXPLAIN draws, as it is drawn."""
    rows = list(islice(answer.rows(), SHOWN_ROWS + 1))
    if answer.columns == ("explain_key", "explain_value"):
        for _, drawing in rows:
            console.result(str(drawing))
        return
    console.table(answer.columns, rows[:SHOWN_ROWS])
    if len(rows) > SHOWN_ROWS:
        console.note(f"only the first {SHOWN_ROWS} rows; --csv, --json and --parquet give all")


def get(context: Context, package: str, path: str, output: Path | None) -> int:
    """Print one file of a package's head."""
    hub, name = package_of(package, context.settings.hubs)
    with (
        open_dataset(context.root) as dataset,
        dataset.package(hub, name).open(path) as source,
        _target(output) as target,
    ):
        shutil.copyfileobj(source, target, 1024 * 1024)
        target.flush()
    return 0


@contextmanager
def _target(output: Path | None) -> Iterator[BinaryIO]:
    """Where bytes go: stdout, or a file that has its name only when it is whole.

    UsageError or FatalError when it takes none.
    """
    if output is None:
        yield sys.stdout.buffer
        return
    if not output.parent.is_dir() or output.is_dir():
        raise UsageError(f"cannot write {output}: not a file in a folder that is there")
    partial = output.with_name(f"{output.name}.partial")
    try:
        with disk.refusals(output), partial.open("wb") as file:
            yield file
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)


def sandbox(options: serve.Options) -> int:
    """Serve the sandbox until stopped."""
    asyncio.run(serve.run(options))
    return 0


def demo(context: Context, directory: Path, program: str) -> int:
    """The main job at depth ``full`` against the sandbox, and one question.

    The root's pseudonyms are the same everywhere, for its people are invented.
    """
    world = directory / "sandbox"
    open_root(directory, create=True, key=DEMO_KEY)
    if not (world / "world.json").exists():
        context.console.note("making a small world of hubs ...")
        generate(world)
    with serve.sandbox_in_thread(world) as box:
        settings = replace(load_settings(box.config), depth=Depth.FULL, anonymous=True)
        inner = replace(context, root=directory, settings=settings)
        code = run_passes(inner, RunOptions(command="snapshot"))
    if not context.console.as_json:
        context.console.result("")
        context.console.result(DEMO_QUESTION.strip() + "\n")
        query(inner, QueryOptions(sql=DEMO_QUESTION))
        words = shlex.join([program, "--root", str(directory), "query"])
        context.console.note(f"ask more: {words} 'SELECT ...'")
    return code


def _hosts() -> dict[str, str]:
    """Hub id -> the host whose budget matters most."""
    return {kind.id: str(urlsplit(kind.base).hostname) for kind in HUBS}
