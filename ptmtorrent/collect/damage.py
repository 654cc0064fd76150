"""What the journal needs and the store lacks, and where each of it is needed."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from enum import StrEnum

from ptmtorrent.collect.reach import Successions, holding_of
from ptmtorrent.errors import IntegrityError
from ptmtorrent.model.visit import Wanted
from ptmtorrent.store.base import BlobStore
from ptmtorrent.store.journal import Entry


class Role(StrEnum):
    """What a blob is for."""

    PAGE = "page"
    """A listing page, or an answer about one package."""
    VISIT = "visit"
    HOLDING = "holding"
    PACK = "pack"
    OBJECT = "object"
    """A git-LFS object; it need not have been fetched."""
    FILE = "file"
    """A large file that came in git."""
    ASSET = "asset"


@dataclass(frozen=True, slots=True)
class Kept:
    """The journal line that needs a blob: its snapshot and hub; and what it keeps, by sha256.

    ``origin`` is empty in lines of old roots, and in those of pages.
    """

    snapshot: str
    hub: str
    visit: str = ""
    holding: str = ""
    origin: str = ""

    @property
    def place(self) -> str:
        """In words."""
        return f"{self.origin or self.hub}, snapshot {self.snapshot}"


@dataclass(frozen=True, slots=True)
class Use:
    """A place where a root needs a blob.

    Attributes:
        name: sha256 of the blob.
        wanted: for an object or file, where the head has it.
        url: for an asset, where it came from.
    """

    role: Role
    name: str
    kept: Kept
    wanted: Wanted | None = None
    url: str = ""


def uses(entries: Iterable[Entry], store: BlobStore, replaced: Successions) -> Iterator[Use]:
    """Every use of a blob that the journal tells of; a holding that is lost tells nothing."""
    for entry in entries:
        payload = entry.payload
        kept = Kept(**{field.name: payload.get(field.name, "") for field in fields(Kept)})
        match entry.kind:
            case "page" | "record":
                yield Use(Role.PAGE, payload["sha256"], kept)
            case "asset":
                yield Use(Role.ASSET, payload["sha256"], kept, url=payload["url"])
            case "visit" | "repack":
                yield from _of_visit(store, kept, replaced)


def _of_visit(store: BlobStore, kept: Kept, replaced: Successions) -> Iterator[Use]:
    yield Use(Role.VISIT, kept.visit, kept)
    if kept.holding not in replaced:
        yield Use(Role.HOLDING, kept.holding, kept)
    try:
        holding = holding_of(store, kept.holding)
    except IntegrityError:
        return
    for blob in holding.wanted:
        yield Use(Role.OBJECT if blob.lfs else Role.FILE, blob.sha256, kept, blob)
    for pack in () if kept.holding in replaced else holding.packs:
        yield Use(Role.PACK, pack, kept)


def lacking(
    needed: Iterable[Use], store: BlobStore, was_held: Callable[[str], bool]
) -> dict[str, list[Use]]:
    """What is not here: name -> its uses.

    Args:
        needed: all uses.
        store: what is here.
        was_held: whether an object was here once; one that never came is not missing.
    """
    found: dict[str, list[Use]] = {}
    for use in needed:
        is_due = use.role is not Role.OBJECT or was_held(use.name)
        if use.name in found or (is_due and not store.has(use.name)):
            found.setdefault(use.name, []).append(use)
    return found
