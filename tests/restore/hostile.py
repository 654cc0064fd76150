"""Origins built by hand, object by object, as no git would write them; held in a store."""

import hashlib
import subprocess
import zlib
from collections.abc import Sequence
from pathlib import Path

from restoring import git

from ptmtorrent.model.oid import sha256_of
from ptmtorrent.model.visit import Holding, NotHeld, Ref, Visit
from ptmtorrent.restore.package import Wish
from ptmtorrent.store.local import LocalStore

URL = "https://huggingface.co/org/hostile"
FILE, LINK, TREE, MODULE = b"100644", b"120000", b"40000", b"160000"
WHEN = 1_700_000_000

Entry = tuple[bytes, bytes, str]
"""Mode, name, oid."""


class Origin:
    """A repository that takes any object."""

    def __init__(self, path: Path) -> None:
        self.path = path
        git("init", "-q", "--bare", str(path))

    def put(self, kind: str, data: bytes, *, oid: str = "") -> str:
        """Write a loose object, unchecked; under a false name if one is given."""
        body = b"%s %d\0" % (kind.encode(), len(data)) + data
        name = oid or hashlib.sha1(body).hexdigest()
        file = self.path / "objects" / name[:2] / name[2:]
        file.parent.mkdir(exist_ok=True)
        if not file.exists():
            file.write_bytes(zlib.compress(body))
        return name

    def blob(self, data: bytes) -> str:
        return self.put("blob", data)

    def tree(self, entries: Sequence[Entry]) -> str:
        rows = [b"%s %s\0" % (mode, name) + bytes.fromhex(oid) for mode, name, oid in entries]
        return self.put("tree", b"".join(rows))

    def commit(self, tree: str) -> str:
        who = f"A <a@example.org> {WHEN} +0000"
        text = f"tree {tree}\nauthor {who}\ncommitter {who}\n\nhostile\n"
        return self.put("commit", text.encode())


def held(
    origin: Origin, head: str, store: LocalStore, *, without: Sequence[str] = ()
) -> tuple[Wish, Visit, Holding]:
    """Put an origin into a store, but for some blobs."""
    output = git("rev-list", "--objects", "--no-object-names", head, cwd=origin.path)
    oids = [oid for oid in output.decode().split() if oid not in without]
    done = subprocess.run(
        ["git", "pack-objects", "-q", "--stdout"],
        cwd=origin.path,
        input="".join(f"{oid}\n" for oid in oids).encode(),
        capture_output=True,
        check=True,
    )
    visit = Visit(
        url=URL,
        refs=(Ref("refs/heads/main", head, "commit", head),),
        head_ref="refs/heads/main",
        head=head,
        not_held=tuple(NotHeld(oid, "missing_at_origin") for oid in sorted(without)),
    )
    pack = store.put(done.stdout)
    holding = Holding(sha256_of(visit.to_bytes()), (pack,), (), len(done.stdout), "2.39.5")
    wish = wish_of(store, visit, holding)
    store.flush()
    return wish, visit, holding


def wish_of(store: LocalStore, visit: Visit, *holdings: Holding) -> Wish:
    """The wish for a visit that some holdings keep."""
    names = tuple(store.put(holding.to_bytes()) for holding in holdings)
    return Wish("huggingface:org/hostile", "2026-11-21", store.put(visit.to_bytes()), names)
