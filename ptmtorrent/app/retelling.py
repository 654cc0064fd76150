"""Lost visits, written again from the tables of the snapshots that told of them.

A visit's name is the digest of its content, so what comes out is the very same or is not taken.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ptmtorrent.errors import IntegrityError, NotFoundError, UsageError
from ptmtorrent.model.oid import sha256_of
from ptmtorrent.model.visit import NotHeld, Ref, Visit
from ptmtorrent.query.dataset import Dataset
from ptmtorrent.shards.manifest import snapshots


def retold(dataset: Path, sha256: str) -> bytes | None:
    """The bytes of a visit, by name; None when no finished snapshot tells all of it."""
    for snapshot in reversed(snapshots(dataset)):
        try:
            with Dataset(dataset, at=snapshot) as told:
                found = [visit.to_bytes() for visit in _visits(told, sha256)]
        except (IntegrityError, NotFoundError, UsageError):
            continue  # of a snapshot that is damaged nothing is taken
        for data in found:
            if sha256_of(data) == sha256:
                return data
    return None


def _visits(told: Dataset, sha256: str) -> Iterator[Visit]:
    columns = "origin_key, url, head_ref, head, filter"
    for key, *about in _rows(told, f"{columns} FROM origins WHERE visit_sha256 = '{sha256}'"):
        url, head_ref, head, kept = about
        refs = _rows(told, f"name, target, kind, commit FROM refs WHERE origin_key = {key}")
        lacking = _rows(told, f"oid, reason FROM not_held WHERE origin_key = {key}")
        yield Visit(
            url=url,
            refs=tuple(Ref(*row) for row in refs),
            head_ref=head_ref,
            head=head,
            filter=kept,
            not_held=tuple(NotHeld(*row) for row in lacking),
        )


def _rows(told: Dataset, words: str) -> list[tuple[Any, ...]]:
    return list(told.answer(f"SELECT {words} ORDER BY ALL").rows())
