"""The commands plan, list, fetch, build and snapshot.

What builds tables is loaded by who builds: it takes longer to load than a small run to carry out.
"""

from dataclasses import dataclass

from ptmtorrent.app.context import Context, budget_hosts
from ptmtorrent.app.run import Run, optional_hubs, plan_rows
from ptmtorrent.app.session import Held, held
from ptmtorrent.app.signals import run_stoppably
from ptmtorrent.app.summing import summary_of
from ptmtorrent.console.report import show
from ptmtorrent.console.summary import unreached
from ptmtorrent.errors import NotFoundError
from ptmtorrent.ledger.rows import Snapshot
from ptmtorrent.pipeline.choice import Begin, Resume, choose
from ptmtorrent.pipeline.lines import Kind

PLAN_COLUMNS = ("host", "bucket", "requests", "bytes", "inodes", "hours")
MAKES_ROOT = ("list", "snapshot")
"""Commands that may begin with nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Options of the commands that work on a snapshot."""

    command: str
    as_of: str | None = None
    new: bool = False
    retry_failed: bool = False


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
            from ptmtorrent.app.finish import finish  # noqa: PLC0415  # loads slowly

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
    rows = plan_rows(work.ahead(), budget_hosts())
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
