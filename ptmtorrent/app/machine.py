"""What the machine gives: git, space, a file system that keeps its promises, and the root.

What is seen is judged by pure functions; around them is the looking. The machine stays as it was:
what is tried on the disk is tried in a scratch folder that is removed.
"""

import fcntl
import re
from collections.abc import Callable
from pathlib import Path
from stat import S_IMODE
from tempfile import TemporaryDirectory

from ptmtorrent import disk
from ptmtorrent.app.session import LOW_WATER_BYTES, LOW_WATER_INODES
from ptmtorrent.console.health import Finding, State
from ptmtorrent.console.words import size
from ptmtorrent.errors import CommandError, ItemError, NotFoundError, UsageError
from ptmtorrent.fetch.git import git_version
from ptmtorrent.store.root import FORMAT, Root, Space, open_root, shortage, space_at

EXIT_USAGE, EXIT_MACHINE = UsageError.exit_code, 7
GOOD_GIT = (2, 39)
"""The oldest git that is known to do all that is asked of it."""

FEW_BYTES = 10 * 2**30
FEW_INODES = 1_000_000
NETWORKED = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "glusterfs", "gpfs", "lustre", "nfs", "nfs4", "ocfs2"}
    | {"orangefs", "panfs", "pvfs2", "smb3", "smbfs", "virtiofs", "wekafs"}
)
FLEETING = frozenset({"tmpfs", "ramfs"})

_MOUNTS = Path("/proc/self/mountinfo")
_OCTAL = re.compile(r"\\([0-7]{3})")
_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})")


async def look_at_git() -> Finding:
    """Whether git is there, and not too old."""
    try:
        return judge_git(await git_version())
    except (CommandError, ItemError) as error:
        return Finding("git", State.BAD, str(error), "install git", EXIT_MACHINE)


def judge_git(version: str) -> Finding:
    """The finding for a version of git as git says it (``2.39.5``, ``2.45.windows.1``)."""
    found = _VERSION.match(version)
    if found is None:
        return Finding("git", State.UNKNOWN, f"git says its version is {version}")
    wanted = ".".join(map(str, GOOD_GIT))
    if (int(found[1]), int(found[2])) < GOOD_GIT:
        return Finding("git", State.WARN, version, f"known to work from {wanted} on; update git")
    return Finding("git", State.OK, version)


def look_at_machine(root: Path) -> list[Finding]:
    """Disk and root. Blocks while it looks; where there is no root yet, at where it would be."""
    looks: dict[str, Callable[[], Finding]] = {
        "space": lambda: judge_space(space_at(nearest(root))),
        "file system": lambda: judge_file_system(_mounts(), str(nearest(root).resolve())),
        "disk": lambda: try_disk(nearest(root)),
        "root": lambda: look_at_root(root),
        "privacy key": lambda: look_at_key(Root(root)),
        "writer": lambda: look_for_writer(Root(root)),
    }
    return [_finding(check, look) for check, look in looks.items()]


def _finding(check: str, look: Callable[[], Finding]) -> Finding:
    """What a look finds; that the machine does not let us look is a finding too."""
    try:
        return look()
    except (CommandError, OSError) as error:
        return Finding(check, State.BAD, str(error), exit_code=EXIT_MACHINE)


def nearest(root: Path) -> Path:
    """The root, or the nearest of its parents that is there."""
    return next(path for path in (root, *root.absolute().parents) if path.exists())


def judge_space(space: Space) -> Finding:
    """Whether there is enough to begin with, and enough not to stop soon."""
    inodes = "uncounted" if space.free_inodes is None else f"{space.free_inodes:,}"
    found = f"{size(space.free_bytes)} and {inodes} inodes free"
    if shortage(space, LOW_WATER_BYTES, LOW_WATER_INODES):
        advice = f"a run needs {size(LOW_WATER_BYTES)} and {LOW_WATER_INODES:,} inodes; free some"
        return Finding("space", State.BAD, found, advice, EXIT_MACHINE)
    if shortage(space, FEW_BYTES, FEW_INODES):
        return Finding("space", State.WARN, found, "see what `ptmtorrent plan` says it will take")
    return Finding("space", State.OK, found)


def judge_file_system(mounts: str | None, path: str) -> Finding:
    """The finding for a path with no links in it, by the text of ``/proc/self/mountinfo``."""
    kind = None if mounts is None else file_system_of(mounts, path)
    if kind is None:
        return Finding("file system", State.UNKNOWN, "the system does not say which it is")
    if kind in NETWORKED or kind.startswith("fuse"):
        advice = "locks and renames may not be kept; a local disk is safer"
        return Finding("file system", State.WARN, f"{kind}, over a network or FUSE", advice)
    if kind in FLEETING:
        advice = "put the root on a disk"
        return Finding("file system", State.WARN, f"{kind}, gone when the power is", advice)
    return Finding("file system", State.OK, kind)


def file_system_of(mounts: str, path: str) -> str | None:
    """The type of the file system that a path is on; None when no mount point leads to it.

    Lines are those of proc_pid_mountinfo(5): the fifth field is the mount point, with blanks in
    octal; the type follows a lone hyphen. The longest mount point wins, the last of equals.
    """
    best, kind = -1, None
    for line in mounts.splitlines():
        place, _, source = line.partition(" - ")
        fields = place.split(" ")
        if len(fields) < 6 or not source:
            continue
        point = _OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[4]).rstrip("/")
        if f"{path.rstrip('/')}/".startswith(f"{point}/") and len(point) >= best:
            best, kind = len(point), source.split(" ")[0]
    return kind


def _mounts() -> str | None:
    try:
        return _MOUNTS.read_text("utf-8", errors="surrogateescape")
    except OSError:
        return None


def try_disk(place: Path) -> Finding:
    """Write, sync, link and rename as the store does, in a scratch folder that is removed.

    Raises FatalError or OSError for what the disk refuses.
    """
    with (
        disk.refusals(place),
        TemporaryDirectory(prefix=".ptmtorrent-doctor-", dir=place) as scratch,
    ):
        probe = Path(scratch) / "probe"
        disk.write_once(probe, b"linked")
        disk.write_atomic(probe, b"renamed")
    return Finding("disk", State.OK, "writes, syncs files and folders, links and renames")


def look_at_root(root: Path) -> Finding:
    """Whether there is a root, and whether this version can work with it."""
    try:
        open_root(root, create=False)
    except NotFoundError:
        return _no_root(root)
    except UsageError as error:
        return Finding("root", State.BAD, str(error), exit_code=EXIT_USAGE)
    return Finding("root", State.OK, f"{root} of format {FORMAT}")


def _no_root(root: Path) -> Finding:
    if root.is_dir() and any(root.iterdir()):
        advice = "a root needs a folder that is empty or not there; choose another with --root"
        return Finding("root", State.WARN, f"{root} holds other things", advice)
    return Finding("root", State.OK, f"none yet at {root}", "`ptmtorrent snapshot` makes one")


def look_at_key(root: Root) -> Finding:
    """Whether the key of the pseudonyms is there, and nobody else's to read."""
    if not root.layout.format_file.exists():
        return Finding("privacy key", State.OK, "none yet")
    _ = root.privacy_key
    return judge_key(S_IMODE(root.layout.privacy_key.stat().st_mode), root.layout.privacy_key)


def judge_key(mode: int, path: Path) -> Finding:
    """The finding for the mode bits of the key."""
    if mode & 0o077:
        found = f"others may use it (mode {mode:04o})"
        return Finding("privacy key", State.WARN, found, f"chmod 600 {path}")
    return Finding("privacy key", State.OK, f"there, mode {mode:04o}")


def look_for_writer(root: Root) -> Finding:
    """Whether a run writes to the root now. Takes the lock for an instant, shared, unwritten."""
    try:
        with root.layout.lock.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (FileNotFoundError, NotADirectoryError):
        return Finding("writer", State.OK, "none")
    except BlockingIOError:
        holder = root.layout.lock.read_bytes()[:1024].decode("utf-8", "replace").strip()
        return Finding("writer", State.OK, f"a run is writing: {holder}")
    return Finding("writer", State.OK, "none")
