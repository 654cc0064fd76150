"""What all rows of the benchmark are given: where, how large, how often."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.clients import Clients
from benchmarks.servers import Server, sandbox
from benchmarks.world import Shape, made


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How to measure.

    Attributes:
        folder: where worlds are kept, and everything else is for a while.
        endpoint: of a hub that is not ours, or None for the sandbox.
        is_quick: sizes that try the script out, and say nothing else.
        rounds: how often each side is run.
        millions: also list two million records.
    """

    folder: Path
    endpoint: str | None = None
    is_quick: bool = False
    rounds: int = 3
    millions: bool = False

    @property
    def clients(self) -> Clients:
        """The commands, at work below ``folder``."""
        return Clients(self.folder / "scratch")

    @property
    def results(self) -> Path:
        """Where sections are kept for the page."""
        return self.folder / "results"

    def size(self, whole: int, quick: int) -> int:
        """The one size or the other."""
        return quick if self.is_quick else whole

    def world(self, name: str, shape: Shape) -> Path:
        """A world of that shape, made if it is not there."""
        path = self.folder / (f"{name}-quick" if self.is_quick else name)
        made(path, shape)
        return path

    @contextmanager
    def hub(self, world: Path, rtt_ms: int = 0) -> Iterator[Server]:
        """The sandbox of a world; or the other hub, whatever it has."""
        if self.endpoint is not None:
            yield Server(self.endpoint.rstrip("/"))
            return
        with sandbox(world, rtt_ms) as server:
            yield server
