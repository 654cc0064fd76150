"""A fault: one thing under a root that is not as it should be, and what it should be."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType

SHOWN = 200
"""Characters of foreign text that a fault quotes."""


class FaultKind(StrEnum):
    """What is wrong."""

    MISSING = "missing"
    """It is named elsewhere, and is not here."""
    FOREIGN = "foreign"
    """It is here, and nothing of ours has that name."""
    TYPE = "type"
    """A folder, a link or a device where a file should be, or the other way round."""
    MODE = "mode"
    """Its permissions are not those it was given."""
    SIZE = "size"
    """Its length is not what its record says."""
    DIGEST = "digest"
    """Its bytes are not what its name or record says."""
    CONTENT = "content"
    """Its bytes cannot be read as what they should be."""
    CHAIN = "chain"
    """It does not follow from what is before it."""
    RECORD = "record"
    """What it says is not what another record says."""
    UNREADABLE = "unreadable"
    """The machine does not give its bytes."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        name: path under the root, with slashes.
        expected: what should be there.
        found: what is there.
    """

    kind: FaultKind
    name: str
    expected: str
    found: str


def quote(data: bytes | str) -> str:
    """The beginning of foreign data, as a fault may quote it."""
    text = data.decode("utf-8", "backslashreplace") if isinstance(data, bytes) else data
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


class Findings:
    """The faults of one file or step; what the machine refuses on the way is one of them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._faults: list[Fault] = []

    def add(self, kind: FaultKind, expected: object, found: object) -> None:
        """Note a fault."""
        self._faults.append(Fault(kind, self.name, str(expected), quote(str(found))))

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._faults)

    def __bool__(self) -> bool:
        return bool(self._faults)

    def reading(self) -> "Reading":
        """Around reading the file."""
        return Reading(self)


class Reading:
    """Ends its block at what the machine refuses, and makes that a fault.

    A file that vanishes meanwhile is none: it is missed where it is named.
    """

    def __init__(self, findings: Findings) -> None:
        self._findings = findings

    def __enter__(self) -> None:
        """Nothing is done before."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> bool:
        if not isinstance(error, OSError):
            return False
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            words = error.strerror or str(error)
            self._findings.add(FaultKind.UNREADABLE, "a readable file", words)
        return True
