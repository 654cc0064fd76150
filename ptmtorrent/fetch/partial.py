"""Origins that cannot be had whole: too large, or with objects their own server has lost.

Two cases, told apart by what git said:

* *too much*: the pack passed ``max_pack``. Fetched with ``blob:limit``; larger blobs are
  ``filtered`` (at depth ``full``, those of the head are then fetched by id).
* *too little*: the server fails while it packs. Fetched with ``blob:limit`` and, when that fails
  too, ``blob:none``; then every missing blob by id, in batches. A batch that fails is halved until
  the ids that cannot be had are known: ``missing_at_origin``.

Always without haves: a filtered clone whose file shrinks below the limit breaks the next ordinary
fetch (measured with git 2.39.5). The packs of one visit are then made one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ptmtorrent.errors import SkipError, SkipReason
from ptmtorrent.fetch.quarantine import BATCH, Quarantine
from ptmtorrent.model.visit import NotHeld
from ptmtorrent.net.gitproc import GitResult
from ptmtorrent.net.gitwords import explain_git

REMOTE = "origin"

_TOO_LITTLE = (
    "possible repository corruption on the remote side",
    "git-pack-objects died with error",
    "not our ref",
    "unable to read",
    "bad object",
)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes: the largest pack taken whole, and the largest blob of a filtered fetch."""

    max_pack: int
    blob_limit: int


def sent_too_much(result: GitResult) -> bool:
    """Whether git stopped because the pack was larger than it may be."""
    error = explain_git(result, "")
    return isinstance(error, SkipError) and error.reason is SkipReason.OVER_LIMIT


def sent_too_little(result: GitResult) -> bool:
    """Whether the server could not read its own objects."""
    return any(words in result.stderr for words in _TOO_LITTLE)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be fetched of an origin.

    Attributes:
        url: the git URL.
        specs: refspecs.
        head: the commit HEAD leads to, or None.
        whole_head: whether every blob of the head is wanted, whatever its size.
    """

    url: str
    specs: tuple[str, ...]
    head: str | None
    whole_head: bool


async def fetch_partly(
    quarantine: Quarantine, wish: Wish, limits: Limits, first: GitResult
) -> tuple[str | None, tuple[NotHeld, ...]]:
    """Fetch into an empty quarantine what can be had; returns (filter, blobs not held).

    Args:
        quarantine: an empty repository.
        wish: what is to be fetched.
        limits: sizes.
        first: how the attempt to fetch everything failed.

    Raises:
        SkipError: even the history alone is larger than ``max_pack``.
        FailError: the server cannot even send the history.
    """
    url = wish.url
    await _remember_promisor(quarantine, url)
    result, used = first, ""
    for used in (f"blob:limit={limits.blob_limit}", "blob:none"):
        result = await _fetch(quarantine, [f"--filter={used}", REMOTE, *wish.specs], url)
        if result.returncode == 0:
            break
    if result.returncode:
        raise explain_git(result, url)
    if sent_too_much(first):
        not_held = await _only_head(quarantine, wish)
        kept: str | None = used
    else:
        revisions = ["--all"] if wish.head is None else ["--all", wish.head]
        lost = await _by_id(quarantine, url, await quarantine.missing(*revisions))
        not_held = tuple(NotHeld(oid, SkipReason.MISSING_AT_ORIGIN) for oid in lost)
        kept = None
    await quarantine.repack()
    return kept, not_held


async def _remember_promisor(quarantine: Quarantine, url: str) -> None:
    """Tell git that missing objects are meant to be missing. The URL holds no secret."""
    for name, value in {
        "core.repositoryformatversion": "1",
        "extensions.partialClone": REMOTE,
        f"remote.{REMOTE}.url": await quarantine.git.address(url),
        f"remote.{REMOTE}.promisor": "true",
    }.items():
        await quarantine.local("config", name, value)


async def _only_head(quarantine: Quarantine, wish: Wish) -> tuple[NotHeld, ...]:
    if wish.head is None:
        return ()
    missing = await quarantine.missing_in_tree(wish.head)
    if not wish.whole_head:
        return tuple(NotHeld(oid, "filtered") for oid in missing)
    lost = await _by_id(quarantine, wish.url, missing)
    return tuple(NotHeld(oid, SkipReason.MISSING_AT_ORIGIN) for oid in lost)


async def _by_id(quarantine: Quarantine, url: str, oids: Sequence[str]) -> list[str]:
    """Fetch objects by id; returns those that cannot be had, sorted."""
    lost: list[str] = []
    batches = [list(oids[at : at + BATCH]) for at in range(0, len(oids), BATCH)]
    while batches:
        batch = batches.pop()
        result = await _fetch(
            quarantine, ["--filter=blob:none", "--stdin", REMOTE], url, "\n".join(batch) + "\n"
        )
        if result.returncode == 0:
            continue
        if not sent_too_little(result):
            raise explain_git(result, url)
        if len(batch) == 1:
            lost += batch
        else:
            middle = len(batch) // 2
            batches += [batch[:middle], batch[middle:]]
    return sorted(lost)


async def _fetch(
    quarantine: Quarantine, arguments: Sequence[str], url: str, stdin: str = ""
) -> GitResult:
    return await quarantine.git.fetch(
        arguments, quarantine.path, url, haves=False, stdin=stdin.encode()
    )
