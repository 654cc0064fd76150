"""A sandbox, a root, and the commands as a user gives them."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from events import Changes, wait_until

import ptmtorrent as pt
from ptmtorrent import disk
from ptmtorrent.cli import main
from ptmtorrent.errors import CommandError
from ptmtorrent.ledger.ledger import Ledger
from ptmtorrent.query.dataset import Dataset
from ptmtorrent.sandbox.serve import Sandbox, sandbox_in_thread
from ptmtorrent.store.root import open_root

PLAIN_GIT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "LC_ALL": "C.UTF-8",
}


KEY = b"a key that every root here shares"[:32]
CLOCK = "2026-11-21T12:00:00Z"


class Job:
    """One root, worked on against one world: of its hubs only one, unless ``hubs`` says all."""

    program = (sys.executable, "-m", "ptmtorrent")
    """What runs the commands that are processes of their own."""

    def __init__(self, root: Path, world: Path, *, all_hubs: bool = False) -> None:
        self.root = root
        self.world = world
        self.all_hubs = all_hubs
        self.endpoint = ""
        self._open: dict[str | None, Dataset] = {}
        self._watch: Changes | None = None

    @contextmanager
    def served(self, *faults: str, **settings: Any):
        """The world, served on ports of its own each time."""
        with sandbox_in_thread(self.world, faults=faults, **settings) as box:
            self.endpoint = box.endpoints["huggingface"]
            self.config = box.config if self.all_hubs else self._config_of_one(box.config)
            yield box

    def _config_of_one(self, config: Path) -> Path:
        """Settings with every hub switched off but Hugging Face."""
        head, mark, rest = config.read_text().partition("[hubs.modelhub]")
        alone = self.world / "one-hub.toml"
        alone.write_text(head + mark + rest.replace("enabled = true", "enabled = false"))
        return alone

    def run(self, *words: str) -> int:
        """A command as a user gives it; its exit code."""
        self.close()
        return main(["--root", str(self.root), "--config", str(self.config), "--quiet", *words])

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        """The same command as a process of its own."""
        self.close()
        place = ["--root", str(self.root), "--config", str(self.config)]
        plain = {"PATH": os.environ["PATH"], "HOME": str(self.world), "PTMTORRENT_CLOCK": CLOCK}
        return subprocess.Popen(
            [*self.program, *place, *words],
            cwd=self.root.parent,
            env=plain | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, *words: str, **environment: str) -> tuple[int, str, str]:
        """Run a command as a process to its end: exit code, stdout, stderr."""
        process = self.start(*words, **environment)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def until(self, is_so: Callable[[], bool], process: subprocess.Popen[str]) -> None:
        """Wait for what a process does to the root or asks the servers; or for its end.

        The watch is put away later: that takes longer than whoever waits for a moment has.
        """
        self.close()
        self._watch = Changes((self.root.parent, self.world), (self.root,))
        try:
            wait_until(is_so, self._watch, process.pid)
        except BaseException:
            process.kill()
            process.communicate()
            raise

    def with_shared_key(self) -> "Job":
        """Pseudonyms like those of every other root with this key."""
        self.root.mkdir(parents=True)
        disk.write_once(self.root / "privacy.key", KEY, mode=0o600)
        open_root(self.root, create=True)
        return self

    def snapshot(self, *words: str) -> int:
        return self.run("snapshot", "--depth", "full", *words)

    def dataset(self, at: str | None = None) -> Dataset:
        return pt.open(self.root, at)

    def rows(self, sql: str, at: str | None = None) -> list[tuple[Any, ...]]:
        """The answer to a question; the dataset stays open for the next one."""
        if at not in self._open:
            self._open[at] = self.dataset(at)
        return self._open[at].sql(sql).fetchall()

    def close(self) -> None:
        """Let go of the datasets that are open, and of what watches the root."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        while self._open:
            self._open.popitem()[1].close()

    def requests(self) -> list[dict[str, Any]]:
        """What the servers were asked since they began to serve."""
        lines = (self.world / "requests.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def content(self, snapshot: str = CLOCK[:10]) -> str:
        """What a snapshot's manifest says of its content."""
        text = (self.root / f"dataset/snapshots/{snapshot}/manifest.json").read_text()
        return json.loads(text)["content_sha256"]

    def blobs(self) -> set[str]:
        """Names of the blobs that stand under their final names."""
        return {p.name for p in (self.root / "store/v1/blobs").rglob("*") if p.is_file()}

    def items(self, stage: str, state: str) -> int:
        """How many items of a stage are in a state in the newest snapshot; 0 before it is."""
        try:
            ledger = Ledger.open_to_read(self.root / "ledger.sqlite")
        except CommandError:
            return 0
        try:
            snapshots = ledger.reads.snapshots()
            counts = ledger.reads.item_counts(snapshots[-1].seq) if snapshots else []
        finally:
            ledger.close()
        return sum(c.items for c in counts if (c.stage, c.state) == (stage, state))

    def truth(self) -> dict[str, Any]:
        return json.loads((self.world / "truth.json").read_text())


def asked(box: Sandbox) -> list[str]:
    """Method and path of every request, without queries."""
    lines = box.requests.read_text().splitlines()
    return [f"{r['method']} {r['path'].split('?')[0]}" for r in map(json.loads, lines)]


def git(*args: str, cwd: Path | None = None) -> bytes:
    done = subprocess.run(["git", *args], cwd=cwd, env=PLAIN_GIT, capture_output=True, check=True)
    return done.stdout


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
