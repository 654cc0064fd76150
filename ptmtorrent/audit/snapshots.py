"""Finished snapshots: manifest, shards and documents, each as the journal vouches for it.

The journal's ``snapshot`` line has the sha256 of the manifest and of the documents; the manifest
has that of every shard. So nothing in ``dataset/`` can change and be believed.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ptmtorrent.audit.blobs import digest_of
from ptmtorrent.audit.fault import Fault, FaultKind, Findings
from ptmtorrent.audit.ground import Ground, check_file, entries, foreign, is_there
from ptmtorrent.audit.journal import Text, believed
from ptmtorrent.audit.stock import Stock
from ptmtorrent.audit.tree import is_temp
from ptmtorrent.shards import manifest as manifests
from ptmtorrent.shards.documents import NAMES as DOCUMENTS
from ptmtorrent.shards.manifest import Manifest, Shard
from ptmtorrent.shards.reading import row_count, rows

_LINE = {"snapshot", "manifest", "content_sha256", "documents", "untold"}
MOST_BYTES = 256 * 2**20
"""No manifest is larger."""


@dataclass(slots=True)
class Snapshots:
    """Checks the dataset of a root.

    Attributes:
        is_journal_sound: whether a snapshot the journal does not know can be called foreign.
    """

    ground: Ground
    stock: Stock
    is_journal_sound: bool
    _lines: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _begun: set[str] = field(default_factory=set)
    _manifests: dict[str, Manifest] = field(default_factory=dict)
    _shards: dict[str, Shard] = field(default_factory=dict)
    _unknown: set[str] = field(default_factory=set)

    def check(self, texts: list[Text]) -> Iterator[Fault]:
        """All faults of the dataset."""
        for text in texts:
            for _, entry in believed(text):
                self._learn(entry.kind, entry.payload)
        for snapshot in self._lines:
            yield from self._snapshot(snapshot)
        if self.is_journal_sound:
            yield from self._chain()
        else:
            self._take_unanchored()
        for shard in self._shards.values():
            yield from self._shard(shard)
        yield from self._objects()
        yield from self._strangers(self.ground.layout.dataset)

    def _learn(self, kind: str, payload: Mapping[str, Any]) -> None:
        """What the journal says of snapshots; an id that is none is nobody's."""
        name = payload.get("snapshot")
        if isinstance(name, str) and manifests.is_snapshot(name):
            if kind == "begin":
                self._begun.add(name)
            elif kind == "snapshot":
                self._lines[name] = payload

    def _snapshot(self, snapshot: str) -> Iterator[Fault]:
        line = self._lines[snapshot]
        path = manifests.path_of(self.ground.layout.dataset, snapshot)
        found = self.ground.findings(path)
        self._manifest(path, line, found)
        yield from found
        documents = line.get("documents")
        for name in DOCUMENTS:
            wanted = documents.get(name) if isinstance(documents, dict) else None
            yield from self._file(path.with_name(name), wanted)

    def _manifest(self, path: Path, line: Mapping[str, Any], found: Findings) -> None:
        data = _small_file(path, found)
        self.ground.seen(found.name)
        if data is None:
            self._unknown.add(line["snapshot"])
            return
        _compare(found, line.get("manifest"), hashlib.sha256(data).hexdigest())
        if found:  # its own digest still vouches for all but the history
            self._unknown.add(line["snapshot"])
        manifest = _parsed(data)
        if manifest is None:
            found.add(FaultKind.CONTENT, "a manifest", "what cannot be read as one")
            return
        if manifest.content_sha256 != line.get("content_sha256"):
            wanted = f"content_sha256 {line.get('content_sha256')}, as the journal says"
            found.add(FaultKind.RECORD, wanted, manifest.content_sha256)
        self._manifests[line["snapshot"]] = manifest
        self._list(replace(manifest, history=()) if found else manifest, found)

    def _list(self, manifest: Manifest, found: Findings) -> None:
        """Its shards; what two manifests say of one must be the same."""
        for shard in manifest.shards:
            if self._shards.setdefault(shard.path, shard) != shard:
                found.add(FaultKind.RECORD, self._shards[shard.path], shard)

    def _take_unanchored(self) -> None:
        """Snapshots whose journal line is damaged: their manifests are believed by themselves."""
        dataset = self.ground.layout.dataset
        for snapshot in manifests.snapshots(dataset):
            path = manifests.path_of(dataset, snapshot)
            found = self.ground.findings(path)
            data = None if snapshot in self._lines else _small_file(path, found)
            manifest = None if data is None else _parsed(data)
            if manifest:
                self._unknown.add(snapshot)
                self._list(manifest, found)

    def _chain(self) -> Iterator[Fault]:
        """Each snapshot was built upon the one that was finished before it."""
        before: str | None = None
        for snapshot in self._lines:
            manifest = self._manifests.get(snapshot)
            if manifest and (manifest.snapshot, manifest.previous) != (snapshot, before):
                name = self.ground.name(manifests.path_of(self.ground.layout.dataset, snapshot))
                actual = f"snapshot {manifest.snapshot} upon {manifest.previous}"
                yield Fault(FaultKind.CHAIN, name, f"snapshot {snapshot} upon {before}", actual)
            before = snapshot

    def _shard(self, shard: Shard) -> Iterator[Fault]:
        path = self.ground.layout.dataset / shard.path
        found = self.ground.findings(path)
        status = _status(path, found)
        if status is not None and status != shard.bytes:
            found.add(FaultKind.SIZE, f"{shard.bytes} bytes", f"{status} bytes")
        elif status is not None and not self.ground.quick:
            _compare(found, shard.sha256, digest_of(path, found))
            if not found and (count := row_count(path)) != shard.rows:
                found.add(FaultKind.RECORD, f"{shard.rows} rows", f"{count} rows")
        self.ground.seen(found.name)
        yield from found

    def _file(self, path: Path, sha256: object) -> Iterator[Fault]:
        found = self.ground.findings(path)
        if _status(path, found) is not None:
            _compare(found, sha256, digest_of(path, found))
        self.ground.seen(found.name)
        yield from found

    def _objects(self) -> Iterator[Fault]:
        """What the newest snapshot says is held."""
        for sha256, size, held in self.rows("blobs", ("sha256", "size", "held")):
            if held:
                yield from self.stock.wants(sha256, "the newest snapshot's blobs", size)

    def rows(self, table: str, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """Rows of a state table of the newest snapshot; after ``check``, of whole shards alone."""
        manifest = next(reversed(self._manifests.values()), None)
        found = manifest.tables.get(table) if manifest else None
        for shard in found.shards if found else ():
            path = self.ground.layout.dataset / shard.path
            if digest_of(path, self.ground.findings(path)) == shard.sha256:
                yield from rows(path, columns)

    def _strangers(self, folder: Path) -> Iterator[Fault]:
        """Everything in ``dataset/`` that no finished snapshot has."""
        for entry in entries(self.ground, folder):
            if isinstance(entry, Fault):
                yield entry
            elif entry.is_dir(follow_symlinks=False):
                yield from self._strangers(Path(entry.path))
            elif not self._belongs(Path(entry.path)):
                yield foreign(self.ground, Path(entry.path))

    def _belongs(self, path: Path) -> bool:
        place = path.relative_to(self.ground.layout.dataset).as_posix()
        if place in self._shards or is_temp(path.name):
            return True
        snapshot, is_document = snapshot_of(place)
        if snapshot in self._lines and is_document:
            return True
        if snapshot is None:
            return False
        is_open = snapshot in self._begun and snapshot not in self._lines
        return is_open or snapshot in self._unknown or not self.is_journal_sound


def is_true(ground: Ground, line: Mapping[str, Any]) -> bool:
    """Whether a ``snapshot`` line of the journal says what the snapshot's files say."""
    snapshot = str(line.get("snapshot"))
    if not manifests.is_snapshot(snapshot) or line.keys() != _LINE:
        return False
    path = manifests.path_of(ground.layout.dataset, snapshot)
    found = ground.findings(path)
    data = _small_file(path, found)
    manifest = None if data is None else _parsed(data)
    actual = {name: digest_of(path.with_name(name), found) for name in DOCUMENTS}
    said = (line.get("manifest"), line.get("content_sha256"), line.get("documents"))
    digest = digest_of(path, found)
    return manifest is not None and said == (digest, manifest.content_sha256, actual)


def snapshot_of(place: str) -> tuple[str | None, bool]:
    """The snapshot a path in the dataset is of, and whether it is a document of it."""
    parts = place.split("/")
    if len(parts) == 3 and parts[0] == "snapshots" and manifests.is_snapshot(parts[1]):
        is_document = parts[2] in (manifests.FILE_NAME, *DOCUMENTS)
        return (parts[1], True) if is_document else (None, False)
    if manifests.is_shard_path(place):
        return parts[2].partition("=")[2], False
    return None, False


def _status(path: Path, found: Findings) -> int | None:
    """The size of a file that must be there."""
    if not is_there(path):
        found.add(FaultKind.MISSING, "a file", "nothing")
        return None
    status = check_file(path, found)
    return None if status is None else status.st_size


def _small_file(path: Path, found: Findings) -> bytes | None:
    data: bytes | None = None
    size = _status(path, found)
    if size is not None and size > MOST_BYTES:
        found.add(FaultKind.SIZE, f"at most {MOST_BYTES} bytes", f"{size} bytes")
    elif size is not None:
        with found.reading():
            data = path.read_bytes()
    return data


def _parsed(data: bytes) -> Manifest | None:
    try:
        return Manifest.from_bytes(data)
    except (ValueError, RecursionError):
        return None


def _compare(found: Findings, wanted: object, actual: str | None) -> None:
    if actual is not None and actual != wanted:
        found.add(FaultKind.DIGEST, wanted, actual)
