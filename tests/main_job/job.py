"""A sandbox, a root, and the commands as a user gives them."""

import hashlib
import json
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ptmtorrent as pt
from ptmtorrent.cli import main
from ptmtorrent.query.dataset import Dataset
from ptmtorrent.sandbox.serve import Sandbox, sandbox_in_thread

PLAIN_GIT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "LC_ALL": "C.UTF-8",
}


class Job:
    """One root, worked on against one world."""

    def __init__(self, root: Path, world: Path) -> None:
        self.root = root
        self.world = world
        self.endpoint = ""
        self._open: dict[str | None, Dataset] = {}

    @contextmanager
    def served(self, *faults: str, **settings: Any):
        """The world, served on ports of its own each time."""
        with sandbox_in_thread(self.world, faults=faults, **settings) as box:
            self.endpoint = box.endpoints["huggingface"]
            self.config = box.config
            yield box

    def run(self, *words: str) -> int:
        """A command as a user gives it; its exit code."""
        self.close()
        return main(["--root", str(self.root), "--config", str(self.config), "--quiet", *words])

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
        """Let go of the datasets that are open."""
        while self._open:
            self._open.popitem()[1].close()

    def requests(self) -> list[dict[str, Any]]:
        """What the servers were asked since they began to serve."""
        lines = (self.world / "requests.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

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
