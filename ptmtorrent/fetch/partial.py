"""Origins that cannot be had whole: too large, or with objects their own server has lost.

Two cases, told apart by what git said:

* *too much*: the pack passed ``max_pack``. Fetched with ``blob:limit``; larger blobs are
  ``filtered`` (at depth ``full``, those of the head are then fetched by id).
* *too little*: the server fails while it packs. Fetched with ``blob:limit`` and, when that fails
  too, ``blob:none``; then every missing blob by id, those of the head first, until there is more
  than ``max_pack`` of them: the rest is ``over_limit``.

By id means: what earlier packs hold is taken from them, the rest is asked for in batches. A batch
that fails is halved until the ids that cannot be had are known: ``missing_at_origin``, or
``over_limit`` for a blob that alone is larger than ``max_pack``.

Always without haves: a filtered clone whose file shrinks below the limit breaks the next ordinary
fetch (measured with git 2.39.5). The packs of one visit are then made one.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ptmtorrent.errors import CorruptError, FailError, FailReason, SkipError, SkipReason
from ptmtorrent.fetch.quarantine import Base, Quarantine
from ptmtorrent.model.visit import NotHeld
from ptmtorrent.net.gitproc import GitResult
from ptmtorrent.net.gitwords import explain_git

REMOTE = "origin"
FILTERED = "filtered"
"""Why a blob is not held that nobody has asked for."""
BATCH = 2000
"""Objects asked for at once."""

_TOO_LITTLE = re.compile(
    r"^(?:remote:|fatal: remote error:).*"
    r"(?:possible repository corruption|git-pack-objects died|not our ref"
    r"|unable to read|bad object)",
    re.MULTILINE,
)
"""Words of the server; the same words of our own git are about what arrived."""


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
    return _TOO_LITTLE.search(result.stderr) is not None


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be fetched of an origin.

    Attributes:
        url: the git URL.
        specs: refspecs.
        refs: branches and tags as they were announced.
        head: the commit HEAD leads to, or None.
        whole_head: whether every blob of the head is wanted, whatever its size.
        base: what is held of the origin already, whole or not, or None.
    """

    url: str
    specs: tuple[str, ...]
    refs: Mapping[str, str]
    head: str | None
    whole_head: bool
    base: Base | None = None


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
        FailError: the server cannot even send the history, or not the announced one.
    """
    await _remember_promisor(quarantine, wish.url)
    used = await _filtered(quarantine, wish, limits)
    if quarantine.has_loose_objects():
        text = "the server has files for git, and no packs (the dumb protocol)"
        raise CorruptError(text, url=wish.url)
    heads = () if wish.head is None else (wish.head,)
    if await quarantine.refs() != wish.refs or len(await quarantine.among(heads)) < len(heads):
        raise changed(wish.url)
    of_head = [] if wish.head is None else await quarantine.missing_in_tree(wish.head)
    kept: str | None = used
    if not sent_too_much(first):
        kept, every = None, await quarantine.missing("--all")
        oids = [*of_head, *sorted(set(every) - set(of_head))]
        not_held = await _by_id(quarantine, wish, oids, most=limits.max_pack)
    elif wish.whole_head:
        not_held = await _by_id(quarantine, wish, of_head)
    else:
        not_held = [NotHeld(oid, FILTERED) for oid in of_head]
    await quarantine.repack()
    return kept, tuple(sorted(not_held, key=lambda blob: blob.oid))


def changed(url: str) -> FailError:
    """The error of an origin that moved on between the question for its refs and the fetch."""
    text = "what arrived is not what was announced (perhaps somebody pushed meanwhile)"
    return FailError(text, FailReason.CORRUPT, url=url, transient=True)


async def _filtered(quarantine: Quarantine, wish: Wish, limits: Limits) -> str:
    """Fetch all history with the least filter that works; returns that filter."""
    for used in (f"blob:limit={limits.blob_limit}", "blob:none"):
        result = await _fetch(quarantine, [f"--filter={used}", REMOTE, *wish.specs], wish.url)
        if result.returncode == 0:
            return used
        if not sent_too_much(result) and not sent_too_little(result):
            break
    raise explain_git(result, wish.url)


async def _remember_promisor(quarantine: Quarantine, url: str) -> None:
    """Tell git that missing objects are meant to be missing. The URL holds no secret."""
    for name, value in {
        "core.repositoryformatversion": "1",
        "extensions.partialClone": REMOTE,
        f"remote.{REMOTE}.url": await quarantine.git.address(url),
        f"remote.{REMOTE}.promisor": "true",
    }.items():
        await quarantine.local("config", name, value)


async def _by_id(
    quarantine: Quarantine, wish: Wish, oids: Sequence[str], *, most: int | None = None
) -> list[NotHeld]:
    """Get objects by id, in this order, until there are ``most`` bytes; names the others."""
    taken = await quarantine.take(wish.base, oids) if wish.base and oids else set()
    wanted = [oid for oid in oids if oid not in taken]
    batches = [wanted[at : at + BATCH] for at in range(0, len(wanted), BATCH)][::-1]
    lacking: list[NotHeld] = []
    while batches:
        batch = batches.pop()
        is_full = most is not None and quarantine.pack_bytes() > most
        reason = SkipReason.OVER_LIMIT if is_full else await _refusal(quarantine, wish.url, batch)
        if reason is not None and (is_full or len(batch) == 1):
            lacking += [NotHeld(oid, reason) for oid in batch]
        elif reason is not None:
            middle = len(batch) // 2
            batches += [batch[middle:], batch[:middle]]
    return lacking


async def _refusal(quarantine: Quarantine, url: str, oids: Sequence[str]) -> SkipReason | None:
    """Fetch objects by id, all or none; why they cannot be had together, or None."""
    asked = "".join(f"{oid}\n" for oid in oids)
    result = await _fetch(quarantine, ["--filter=blob:none", "--stdin", REMOTE], url, asked)
    if result.returncode == 0:
        return None
    if sent_too_much(result):
        return SkipReason.OVER_LIMIT
    if sent_too_little(result):
        return SkipReason.MISSING_AT_ORIGIN
    raise explain_git(result, url)


async def _fetch(
    quarantine: Quarantine, arguments: Sequence[str], url: str, stdin: str = ""
) -> GitResult:
    return await quarantine.git.fetch(
        arguments, quarantine.path, url, haves=False, stdin=stdin.encode()
    )
