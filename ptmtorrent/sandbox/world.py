"""What the sandbox's world is on disk, and the file that describes it.

::

    DIR/
      world.json                       this module's ``World``
      truth.json                       what a perfect crawler would find (see ``truth``)
      repositories/FORGE/OWNER/NAME.git   bare git repositories
      lfs/ab/cd/<sha256>               LFS objects, release assets and weights, each held once
      keys/openpgp.asc, keys/allowed_signers   public keys of all who sign commits

Servers read ``world.json`` and the repositories; the generator alone writes them.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FORGES = ("huggingface", "github")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """One repository of the world.

    Attributes:
        forge: ``huggingface`` or ``github``.
        id: what stays the same for ever: 24 hex digits at huggingface, a number at github.
        name: ``owner/name`` today.
        former_names: names that redirect here.
        gated: False, ``auto`` or ``manual``.
        missing: True for a repository whose name is known but which answers "not there".
        record: the JSON object the hub's API tells of it: every field it has, expandable ones too.
        missing_objects: LFS oids its pointers name but no server has.
        lfs_closed: its forge serves no LFS object of it any more.
    """

    forge: str
    id: str
    name: str
    former_names: tuple[str, ...] = ()
    gated: bool | str = False
    private: bool = False
    disabled: bool = False
    missing: bool = False
    record: dict[str, Any] = field(default_factory=dict)
    missing_objects: tuple[str, ...] = ()
    lfs_closed: bool = False

    def path(self, world: Path) -> Path:
        """Its bare git directory."""
        return world / "repositories" / self.forge / f"{self.name}.git"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """An account of the hub: ``kind`` is ``user`` or ``organisation``."""

    name: str
    kind: str
    record: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueEntry:
    """One model of the catalogue: as the list shows it, and as its own address does, if it does."""

    record: dict[str, Any]
    detail: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything the servers need to know besides the repositories themselves.

    Attributes:
        state: 1 for a fresh world; each move adds one.
        token: the access token that the sandbox's hub accepts (an invented one).
        assets: canonical URL -> sha256 of what it stands for: release assets and weights.
        catalogue: ModelZoo's models.
        blob_bytes: size of each weight file of a recipe, or None for sizes that vary.
    """

    seed: int
    state: int
    token: str
    repositories: tuple[Repository, ...]
    owners: tuple[Owner, ...]
    assets: dict[str, str] = field(default_factory=dict)
    catalogue: tuple[CatalogueEntry, ...] = ()
    blob_bytes: int | None = None

    def save(self, directory: Path) -> None:
        """Write ``world.json``."""
        text = json.dumps(asdict(self), indent=1, sort_keys=True)
        (directory / "world.json").write_text(text + "\n")

    @classmethod
    def load(cls, directory: Path) -> "World":
        """Read ``world.json``."""
        value = json.loads((directory / "world.json").read_text())
        value["repositories"] = tuple(
            Repository(
                **{
                    **r,
                    "former_names": tuple(r["former_names"]),
                    "missing_objects": tuple(r["missing_objects"]),
                }
            )
            for r in value["repositories"]
        )
        value["owners"] = tuple(Owner(**o) for o in value["owners"])
        value["catalogue"] = tuple(CatalogueEntry(**e) for e in value["catalogue"])
        return cls(**value)


def object_path(world: Path, sha256: str) -> Path:
    """Where the world keeps what git does not: an LFS object, a release asset, a weight file."""
    return world / "lfs" / sha256[:2] / sha256[2:4] / sha256
