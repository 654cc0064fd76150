"""The commands sandbox and demo."""

import asyncio
import shlex
from dataclasses import replace
from pathlib import Path

from ptmtorrent import disk
from ptmtorrent.app.asking import QueryOptions, query
from ptmtorrent.app.context import Context, load_settings
from ptmtorrent.app.passes import RunOptions, run_passes
from ptmtorrent.errors import UsageError
from ptmtorrent.model.work import Depth
from ptmtorrent.sandbox import serve
from ptmtorrent.sandbox.generate import generate
from ptmtorrent.store.root import open_root

DEMO_QUESTION = """
SELECT license_spdx AS licence, count(*) AS packages, sum(commits)::BIGINT AS commits
FROM packages LEFT JOIN origins USING (origin_key)
GROUP BY licence ORDER BY packages DESC, licence
"""
DEMO_KEY = b"ptmtorrent demo: not a secret key"[:32]
"""Pseudonyms of the demo's invented people are the same everywhere."""


def sandbox(options: serve.Options) -> int:
    """Serve the sandbox until stopped."""
    asyncio.run(serve.run(options))
    return 0


def demo(context: Context, directory: Path, program: str) -> int:
    """The main job at depth ``full`` against the sandbox, and one question.

    The root's pseudonyms are the same everywhere, for its people are invented.
    """
    world = directory / "sandbox"
    root = open_root(directory, create=True, key=DEMO_KEY)
    if not (world / "world.json").exists():
        context.console.note("making a small world of hubs ...")
        with root.writing():
            _make(world)
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


def _make(world: Path) -> None:
    """Make a world that has its name only when it is whole; what was left of another goes."""
    part = world.with_name(f"{world.name}.part")
    if part.exists():
        disk.remove_tree(part)
    generate(part)
    try:
        disk.publish(part, world)
    except OSError as error:
        raise UsageError(f"{world} is in the way, and is no world: move it away") from error
