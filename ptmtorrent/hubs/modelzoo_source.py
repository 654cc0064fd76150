"""Where answers of ModelZoo.co come from: the hub, or an archive of them.

See ``hubs.modelzoo`` for what is asked, and what an archive may be.
"""

import asyncio
import gzip
import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from ptmtorrent.errors import (
    CorruptError,
    FailError,
    FailReason,
    ItemError,
    NetworkError,
    SkipError,
    SkipReason,
    UsageError,
)
from ptmtorrent.hubs.reading import fields
from ptmtorrent.model.bundle import unbundle
from ptmtorrent.net.answer import Response
from ptmtorrent.net.http import Transport

BASE = "https://modelzoo.co"
CATALOGUE = "/api/models/0/"
LARGEST_ARCHIVE = 256 * 2**20
"""Bytes of an archive, packed and unpacked: it is held in memory."""


class Source(Protocol):
    """Where answers come from: the hub, or an archive of them."""

    async def catalogue(self) -> bytes:
        """The catalogue as received; ItemError when it cannot be had."""
        ...

    def may_have(self, slug: str) -> bool:
        """Whether the details of a model are worth asking for."""
        ...

    async def detail(self, slug: str) -> bytes | None:
        """The details of a model as received; None when there are none."""
        ...


@dataclass(frozen=True, slots=True)
class Site:
    """The hub itself."""

    transport: Transport

    async def catalogue(self) -> bytes:
        """Ask for the catalogue; an answer that is none counts as a broken one."""
        response = await self._get(CATALOGUE)
        if response.status != 200:
            raise _explain(response)
        try:
            catalogue_of(response.body)
        except ValueError as error:
            raise NetworkError(
                f"the listing sent no catalogue: {error}", url=response.url
            ) from error
        return response.body

    def may_have(self, slug: str) -> bool:
        """Always: only the hub knows."""
        del slug
        return True

    async def detail(self, slug: str) -> bytes | None:
        """Ask for one model; None when the hub does not have it, or has another one there."""
        response = await self._get(detail_path(slug))
        if response.status in (404, 410) or urlsplit(response.url).path != detail_path(slug):
            return None
        if response.status != 200:
            raise _explain(response)
        return response.body

    async def _get(self, path: str) -> Response:
        headers = {"referer": f"{BASE}/"}
        return await self.transport.get(BASE + path, headers=headers, accept="application/json")


class Archive:
    """A file with answers of the hub; read when it is first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._answers: Mapping[str, bytes] | None = None

    async def catalogue(self) -> bytes:
        """The archived catalogue; CorruptError when there is none that can be read."""
        if self._answers is None:
            self._answers = await asyncio.to_thread(self._read)
        return self._answers[CATALOGUE]

    def may_have(self, slug: str) -> bool:
        """Whether it is in the archive."""
        return self._answers is not None and detail_path(slug) in self._answers

    async def detail(self, slug: str) -> bytes | None:
        """The archived details of a model."""
        await self.catalogue()
        return None if self._answers is None else self._answers.get(detail_path(slug))

    def _read(self) -> Mapping[str, bytes]:
        try:
            content = _unpacked(self._path)
            is_json = content.lstrip().startswith(b"{")
            members = [(CATALOGUE, content)] if is_json else unbundle(content)
            answers = {f"/{name.strip('/')}/": answer for name, answer in members}
            catalogue_of(answers.get(CATALOGUE, b""))
        except (OSError, EOFError, zlib.error, ValueError) as error:
            message = f"no archive of {BASE} (hubs.modelzoo.archive): {self._path}: {error}"
            raise CorruptError(message) from error
        return answers


def digest_of(archive: Path) -> str:
    """The sha256 of an archive; UsageError when it cannot be read."""
    try:
        with archive.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(f"[hubs.modelzoo] archive: {error}") from error


def detail_path(slug: str) -> str:
    """The path that the details of a model are asked by."""
    return f"/api/models/{slug}/"


def catalogue_of(body: bytes) -> list[Any]:
    """The records of a catalogue.

    Raises:
        ValueError: it is none.
    """
    value = json_of(body)
    models = value.get("models") if isinstance(value, dict) else None
    if not isinstance(models, list):
        raise ValueError("no JSON object with a list of models")  # noqa: TRY004
    return models


def json_of(body: bytes) -> Any:
    """JSON without its traps; ValueError when it is none."""
    try:
        return fields.loads(body.decode("utf-8", "replace"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _unpacked(path: Path) -> bytes:
    """The content of a file, out of gzip if it is in it."""
    with path.open("rb") as file:
        is_packed = file.read(2) == b"\x1f\x8b"
    with gzip.open(path) if is_packed else path.open("rb") as file:
        content = file.read(LARGEST_ARCHIVE + 1)
    if len(content) > LARGEST_ARCHIVE:
        raise ValueError(f"larger than {LARGEST_ARCHIVE} bytes")
    return content


def _explain(response: Response) -> ItemError:
    """What another status than success means."""
    url, status = response.url, response.status
    known = {404: SkipReason.GONE, 410: SkipReason.GONE, 451: SkipReason.LEGAL}
    if status in known:
        return SkipError(f"{known[status]}: {url}", known[status], url=url, status=status)
    if status in (401, 403):
        return FailError(f"refused: {url}", FailReason.REFUSED, url=url, status=status)
    return CorruptError(f"unexpected answer {status}", url=url, status=status)
