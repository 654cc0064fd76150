"""What the journal reaches: every blob that a line names, and what its holding names.

Nothing that a line names is ever garbage, whatever its kind: a digest in a line is a root. One
thing alone can lose its root: the packs of a holding whose visit another holding keeps since
(journal kind ``repack``). The holding itself stays, for the line that names it does; should it be
lost, the one that replaced it says what is wanted.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from ptmtorrent.errors import CommandError, FatalError, IntegrityError
from ptmtorrent.model.oid import is_sha256
from ptmtorrent.model.visit import Holding
from ptmtorrent.store.base import BlobStore
from ptmtorrent.store.journal import Entry

Successions = Mapping[str, str]
"""Holding -> the holding that keeps its visit since."""

_REPACK, _VISIT = "repack", "visit"


def successions(entries: Iterable[Entry]) -> dict[str, str]:
    """Which holdings were replaced, and by which; one journalled again later counts again."""
    found: dict[str, str] = {}
    for entry in entries:
        if entry.kind in (_REPACK, _VISIT):
            found.pop(entry.payload["holding"], None)
        if entry.kind == _REPACK and entry.payload["replaces"] != entry.payload["holding"]:
            found[entry.payload["replaces"]] = entry.payload["holding"]
    return found


def heir(holding: str, found: Successions) -> str:
    """The holding that keeps a visit in the end."""
    while holding in found:
        holding = found[holding]
    return holding


def proven(found: Successions, store: BlobStore, is_good: Callable[[str], bool]) -> dict[str, str]:
    """The successions whose last holding has every pack, each found good.

    Only where packs of the replaced holding are still here, or it is lost and nobody knows: else
    there is nothing left to lose.
    """
    verdicts: dict[str, bool] = {}

    def is_kept(pack: str) -> bool:
        if pack not in verdicts:
            verdicts[pack] = store.has(pack) and is_good(pack)
        return verdicts[pack]

    def is_proven(old: str) -> bool:
        packs = holding_of(store, heir(old, found)).packs
        if store.has(old):
            spare = set(holding_of(store, old).packs) - set(packs)
            if not any(map(store.has, spare)):
                return True
        return all(map(is_kept, packs))

    return {old: new for old, new in found.items() if is_proven(old)}


def reached(entries: Iterable[Entry], store: BlobStore, found: Successions) -> Iterator[str]:
    """The names of all blobs that the journal reaches, some more than once.

    Raises IntegrityError when a holding cannot be read: then nobody knows what it reaches.
    """
    for entry in entries:
        yield from named_by(entry)
        if "holding" in entry.payload:
            name = entry.payload["holding"]
            if name in found and not store.has(name):
                continue
            holding = holding_of(store, name)
            yield from (blob.sha256 for blob in holding.wanted)
            yield from () if name in found else holding.packs


def named_by(entry: Entry) -> Iterator[str]:
    """Every digest in a line."""
    for value in entry.payload.values():
        if isinstance(value, str) and is_sha256(value):
            yield value


def holding_of(store: BlobStore, name: str) -> Holding:
    """A holding by name. IntegrityError when it is not here or cannot be read."""
    try:
        return Holding.from_bytes(store.read(name))
    except FatalError:
        raise
    except (CommandError, ValueError, KeyError, TypeError) as error:
        text = f"holding {name} cannot be read: {error}"
        raise IntegrityError(f"{text}; run `ptmtorrent verify`") from error
