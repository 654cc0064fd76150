"""The manifest: which shards a snapshot reads. Written last; the only entry to a snapshot."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from ptmtorrent import disk
from ptmtorrent.errors import IntegrityError, NotFoundError
from ptmtorrent.model.visit import canonical_json
from ptmtorrent.shards.schema import VERSION

FORMAT = 1
FILE_NAME = "manifest.json"

_SNAPSHOT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:\.([1-9][0-9]*))?")
_SHARD_PATH = re.compile(
    r"[a-z_]+/v[0-9]+/(?:first_)?snapshot=[0-9]{4}-[0-9]{2}-[0-9]{2}(?:\.[0-9]+)?/part-[0-9]{5,}\.parquet"
)
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Shard:
    """One immutable Parquet file of one table.

    Attributes:
        path: relative to the dataset, with slashes.
        bytes: its size.
        sha256: of the file.
    """

    path: str
    bytes: int
    sha256: str
    rows: int

    def to_json(self) -> dict[str, Any]:
        """Its entry in a manifest."""
        return {"path": self.path, "bytes": self.bytes, "sha256": self.sha256, "rows": self.rows}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Shard":
        """Read an entry; ValueError unless it can be a shard within the dataset."""
        shard = cls(value["path"], value["bytes"], value["sha256"], value["rows"])
        if not _SHARD_PATH.fullmatch(shard.path) or not _SHA256.fullmatch(shard.sha256):
            raise ValueError(f"not a shard: {shard.path}")
        if shard.bytes < 0 or shard.rows < 0:
            raise ValueError(f"{shard.path}: a negative size")
        return shard


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a snapshot: the version of its schema, and its shards, oldest first."""

    schema_version: int
    shards: tuple[Shard, ...]

    @property
    def rows(self) -> int:
        """Rows of all its shards."""
        return sum(shard.rows for shard in self.shards)

    def to_json(self) -> dict[str, Any]:
        """Its entry in a manifest."""
        shards = [shard.to_json() for shard in self.shards]
        return {"schema_version": self.schema_version, "rows": self.rows, "shards": shards}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Table":
        """Read an entry; ValueError unless the counts add up."""
        table = cls(value["schema_version"], tuple(map(Shard.from_json, value["shards"])))
        if table.rows != value["rows"]:
            raise ValueError("the rows of the shards do not add up")
        return table


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A snapshot: its tables and their shards.

    Attributes:
        as_of: the day in the snapshot's id; a label, never a filter.
        tool: name and version of the program that built it.
        pyarrow: version that wrote it; between versions, equal rows may be unequal bytes.
        previous: the snapshot it was built upon, or None.
        hubs: ids of the hubs it covers.
        history: shards of ``attempts``; no part of the content digest.
    """

    snapshot: str
    as_of: str
    tool: str
    pyarrow: str
    previous: str | None
    hubs: tuple[str, ...]
    tables: Mapping[str, Table]
    history: tuple[Shard, ...] = ()

    @property
    def shards(self) -> tuple[Shard, ...]:
        """Every shard of the snapshot, history included."""
        return (*(s for t in self.tables.values() for s in t.shards), *self.history)

    @property
    def content_sha256(self) -> str:
        """Digest of everything but the history; equal content has equal digests."""
        return hashlib.sha256(canonical_json(self._content())).hexdigest()

    def to_bytes(self) -> bytes:
        """The file: readable JSON with sorted keys."""
        history = [shard.to_json() for shard in self.history]
        value = {**self._content(), "history": history, "content_sha256": self.content_sha256}
        return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode("ascii")

    @classmethod
    def from_bytes(cls, data: bytes) -> "Manifest":
        """Read a manifest; ValueError if it is not one, or not what its digest says."""
        value = json.loads(data)
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            raise ValueError(f"not a manifest of format {FORMAT}")
        try:
            manifest = cls._of(value)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a manifest: {error!r}") from error
        if manifest.content_sha256 != value.get("content_sha256"):
            raise ValueError("its content is not what content_sha256 says")
        return manifest

    @classmethod
    def _of(cls, value: Mapping[str, Any]) -> "Manifest":
        return cls(
            snapshot=value["snapshot"],
            as_of=value["as_of"],
            tool=value["tool"],
            pyarrow=value["pyarrow"],
            previous=value["previous"],
            hubs=tuple(value["hubs"]),
            tables={name: Table.from_json(table) for name, table in value["tables"].items()},
            history=tuple(map(Shard.from_json, value["history"])),
        )

    def _content(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "snapshot": self.snapshot,
            "as_of": self.as_of,
            "tool": self.tool,
            "pyarrow": self.pyarrow,
            "previous": self.previous,
            "hubs": list(self.hubs),
            "tables": {name: table.to_json() for name, table in self.tables.items()},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a manifest says of itself: snapshot, the one before it, program and hubs."""

    snapshot: str
    previous: str | None
    tool: str
    hubs: tuple[str, ...]


def build(
    about: About, tables: Mapping[str, Iterable[Shard]], history: Iterable[Shard]
) -> Manifest:
    """The manifest of a snapshot, written by this version of pyarrow."""
    return Manifest(
        snapshot=about.snapshot,
        as_of=day_of(about.snapshot),
        tool=about.tool,
        pyarrow=pa.__version__,
        previous=about.previous,
        hubs=about.hubs,
        tables={name: Table(VERSION, tuple(shards)) for name, shards in tables.items()},
        history=tuple(history),
    )


def write(dataset: Path, manifest: Manifest) -> str:
    """Write the manifest, durably, after everything it names; returns the sha256 of the file."""
    data = manifest.to_bytes()
    path = path_of(dataset, manifest.snapshot)
    disk.make_dirs(path.parent)
    disk.write_atomic(path, data)
    return hashlib.sha256(data).hexdigest()


def load(dataset: Path, snapshot: str) -> Manifest:
    """Read a snapshot's manifest. NotFoundError; IntegrityError if it was changed or damaged."""
    path = path_of(dataset, snapshot)
    try:
        manifest = Manifest.from_bytes(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        known = ", ".join(snapshots(dataset)) or "none"
        raise NotFoundError(f"no snapshot {snapshot}; there is: {known}") from None
    except ValueError as error:
        raise IntegrityError(f"{path}: {error}") from error
    if manifest.snapshot != snapshot:
        raise IntegrityError(f"{path}: is the manifest of {manifest.snapshot}")
    return manifest


def path_of(dataset: Path, snapshot: str) -> Path:
    """Where the manifest of a snapshot lies. NotFoundError if that cannot be a snapshot's id."""
    if not _SNAPSHOT.fullmatch(snapshot):
        known = ", ".join(snapshots(dataset)) or "none"
        raise NotFoundError(f"{snapshot!r} is not a snapshot's id; there is: {known}")
    return dataset / "snapshots" / snapshot / FILE_NAME


def snapshots(dataset: Path) -> tuple[str, ...]:
    """The ids of all finished snapshots, oldest first."""
    found = (path.parent.name for path in dataset.glob(f"snapshots/*/{FILE_NAME}"))
    return tuple(sorted(filter(_SNAPSHOT.fullmatch, found), key=order_of))


def latest(dataset: Path) -> Manifest:
    """The newest snapshot's manifest. NotFoundError if no snapshot is finished."""
    known = snapshots(dataset)
    if not known:
        raise NotFoundError(f"{dataset}: no finished snapshot; `ptmtorrent snapshot` makes one")
    return load(dataset, known[-1])


def is_snapshot(name: str) -> bool:
    """Whether a name can be a snapshot's id."""
    return _SNAPSHOT.fullmatch(name) is not None


def is_shard_path(path: str) -> bool:
    """Whether a path, relative to the dataset, can be a shard's."""
    return _SHARD_PATH.fullmatch(path) is not None


def order_of(snapshot: str) -> tuple[str, int]:
    """The key that sorts snapshots: the day, then the number within it. ValueError if not an id."""
    match = _SNAPSHOT.fullmatch(snapshot)
    if match is None:
        raise ValueError(f"{snapshot!r} is not a snapshot's id")
    return match[1], int(match[2] or 1)


def day_of(snapshot: str) -> str:
    """The day in a snapshot's id."""
    return order_of(snapshot)[0]


def next_snapshot_id(day: str, existing: Iterable[str]) -> str:
    """The id of the next snapshot of a day: ``DAY``, then ``DAY.2``, ``DAY.3`` ..."""
    numbers = [number for known, number in map(order_of, existing) if known == day]
    return f"{day}.{max(numbers) + 1}" if numbers else day
