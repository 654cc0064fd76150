"""Real git repositories, made with git itself, kept in a real store."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ptmtorrent.model.oid import sha256_of
from ptmtorrent.model.visit import Holding, Ref, Visit
from ptmtorrent.store.local import LocalStore

URL = "https://example.org/some/model"
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "Ada Author",
    "GIT_AUTHOR_EMAIL": "Ada@Example.org",
    "GIT_COMMITTER_NAME": "Carl Committer",
    "GIT_COMMITTER_EMAIL": "carl@example.org",
}


class Maker:
    """A repository under construction, and git's own view of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = 1_700_000_000
        self.git("init", "-q", "-b", "main", str(path), at=path.parent)

    def git(self, *arguments: str, at: Path | None = None, stdin: bytes = b"", **env: str) -> bytes:
        """Run git; its output, without the last newline."""
        done = subprocess.run(
            ["git", *arguments],
            cwd=at or self.path,
            env=ENVIRONMENT | env,
            input=stdin,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.removesuffix(b"\n")

    def text(self, *arguments: str, stdin: bytes = b"") -> str:
        return self.git(*arguments, stdin=stdin).decode()

    def write(self, path: str | bytes, content: bytes) -> None:
        target = self.path / os.fsdecode(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def commit(self, message: str | bytes = "work", *options: str, **env: str) -> str:
        """Commit everything in the work tree, a minute after the commit before."""
        self.clock += 60
        when = f"{self.clock} +0130"
        self.git("add", "-A")
        data = message if isinstance(message, bytes) else message.encode()
        dates = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
        flags = ("-q", "--allow-empty", "--allow-empty-message", "--cleanup=verbatim")
        self.git("commit", *flags, "-F", "-", *options, stdin=data, **(dates | env))
        return self.text("rev-parse", "HEAD")

    def raw_commit(self, content: bytes) -> str:
        """Write a commit object as it is, and let main point at it."""
        oid = self.text(
            "hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=content
        )
        (self.path / ".git/refs/heads/main").write_text(oid + "\n")
        return oid

    def visit(self, **more: object) -> Visit:
        """The state of the repository, told by git."""
        lines = self.git(
            "for-each-ref",
            "--format=%(objectname) %(objecttype) %(*objectname) %(refname)",
            "refs/heads",
            "refs/tags",
        )
        refs = []
        for line in lines.decode("utf-8", "surrogateescape").splitlines():
            oid, kind, peeled, name = line.split(" ", 3)
            refs.append(Ref(name, oid, kind, {"commit": oid, "tag": peeled}.get(kind)))
        head = self.text("rev-parse", "HEAD")
        return Visit(URL, tuple(refs), "refs/heads/main", head, **more)  # type: ignore[arg-type]

    def at_rest(self) -> Path:
        """The git directory, as a bare one."""
        self.git("config", "core.bare", "true")
        return self.path / ".git"

    def pack(self) -> Path:
        """Everything there is, reachable or not, in one pack."""
        self.git("repack", "-q", "-a", "-d", "-k", "--no-write-bitmap-index")
        (pack,) = (self.path / ".git/objects/pack").glob("*.pack")
        return pack


def hold(store: LocalStore, visit: Visit, packs: Sequence[Path]) -> Holding:
    """Put packs into the store; the holding that names them."""
    names = [store.put(pack.read_bytes()) for pack in packs]
    size = sum(pack.stat().st_size for pack in packs)
    return Holding(sha256_of(visit.to_bytes()), tuple(names), (), size, "git version 2")


def filtered_clone(maker: Maker, target: Path, spec: str) -> Path:
    """The pack that a clone with an object filter receives from git's own server side."""
    maker.git("config", "uploadpack.allowFilter", "true")
    url = f"file://{maker.path}"
    maker.git("clone", "-q", "--bare", f"--filter={spec}", url, str(target), at=maker.path.parent)
    (pack,) = (target / "objects/pack").glob("*.pack")
    return pack


def children() -> set[int]:
    """The processes this one has started and that are still there, dead ones included."""
    me = Path(f"/proc/{os.getpid()}/task")
    return {int(pid) for task in me.iterdir() for pid in (task / "children").read_text().split()}
