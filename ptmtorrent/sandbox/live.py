"""The world as it is on disk now: looked at anew whenever ``world.json`` changes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ptmtorrent.sandbox.exchange import Who
from ptmtorrent.sandbox.world import Repository, World, object_path


@dataclass(frozen=True, slots=True)
class Match:
    """A repository that a name leads to.

    Attributes:
        exact: whether the name is the one it has today, letter for letter.
        former: whether it is a name of the past.
    """

    repository: Repository
    exact: bool
    former: bool


class Live:
    """Reads ``world.json`` again when its time or size changed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._stamp = (-1, -1)
        self._world: World | None = None
        self._names: Mapping[tuple[str, str], Repository] = {}

    @property
    def world(self) -> World:
        """The world of this moment."""
        status = (self.directory / "world.json").stat()
        stamp = (status.st_mtime_ns, status.st_size)
        if self._world is None or stamp != self._stamp:
            self._world, self._stamp = World.load(self.directory), stamp
            self._names = _names(self._world)
        return self._world

    def listed(self, who: Who) -> list[Repository]:
        """What a listing of Hugging Face shows: private packages only to who may see them."""
        hub = [r for r in self.world.repositories if r.forge == "huggingface" and not r.missing]
        return [r for r in hub if not r.private or who is Who.GRANTED]

    def find(self, forge: str, name: str) -> Match | None:
        """The repository that a name, in any case, stands for or stood for."""
        found = self.world and self._names.get((forge, name.lower()))
        if not found:
            return None
        former = found.name.lower() != name.lower()
        return Match(found, exact=found.name == name, former=former)

    def path(self, repository: Repository) -> Path:
        """The bare git directory of a repository."""
        return repository.path(self.directory)

    def large(self, repository: Repository, sha256: str) -> Path | None:
        """The file of an LFS object, unless the server does not have it."""
        path = object_path(self.directory, sha256)
        return path if sha256 not in repository.missing_objects and path.is_file() else None


def _names(world: World) -> dict[tuple[str, str], Repository]:
    former = {(r.forge, old.lower()): r for r in world.repositories for old in r.former_names}
    return former | {(r.forge, r.name.lower()): r for r in world.repositories}
