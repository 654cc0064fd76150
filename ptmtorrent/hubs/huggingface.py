"""Hugging Face: the JSON list API, newest first, and git repositories under the same names.

**Listing.** ``GET /api/models?sort=createdAt`` in pages of up to 1,000; the next page is the
``Link: <...>; rel="next"`` header, whose cursor is a keyset on ``_id``. Only this order is stable
while the catalogue moves: sorted by downloads or by time of change, a listing that takes hours
loses and repeats packages. There is no total count.

**Identity.** ``_id`` (a Mongo object id) stays when a package is renamed, transferred or written in
another case; the name does not. A redirect can lead to another package, so ``_id`` decides.

**Limits.** ``RateLimit`` headers on every answer, per window of 300 s; see ``policy.ratelimit``.

**Errors.** Read ``X-Error-Code``, then the status, then the message: an anonymous 401 without a
code means "missing or private", the same 401 with a token means that the token is wrong.

Source: hub-docs (rate-limits, api), huggingface_hub 2.x, and recorded answers of 2026.
"""

import re
from collections.abc import Callable, Mapping, Set
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from huggingface_hub import get_token
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils._validators import validate_repo_id

from ptmtorrent.errors import (
    CorruptError,
    FailError,
    FailReason,
    ItemError,
    NetworkError,
    SkipError,
    SkipReason,
)
from ptmtorrent.hubs.base import GitHost, HubKind, HubValues, Means, WhoAmI
from ptmtorrent.hubs.reading import fields
from ptmtorrent.hubs.reading.licenses import spdx
from ptmtorrent.hubs.reading.shape import drift_of
from ptmtorrent.hubs.shapes.huggingface import SHAPE
from ptmtorrent.model.package import (
    Answer,
    AnswerKind,
    ListedPage,
    Outline,
    Package,
    PackageStatus,
    Paper,
    ParsedPage,
    Scope,
    Unparsed,
)
from ptmtorrent.net.answer import Response
from ptmtorrent.net.http import Transport

HUB = "huggingface"
BASE = "https://huggingface.co"
PAGE = 1000
EXPAND = (
    "author",
    "baseModels",
    "cardData",
    "config",
    "createdAt",
    "disabled",
    "downloads",
    "downloadsAllTime",
    "gated",
    "gguf",
    "lastModified",
    "library_name",
    "likes",
    "pipeline_tag",
    "private",
    "safetensors",
    "sha",
    "tags",
    "transformersInfo",
    "usedStorage",
)
FRAMEWORKS = {
    "pytorch": "pytorch",
    "tf": "tensorflow",
    "jax": "jax",
    "onnx": "onnx",
    "paddlepaddle": "paddlepaddle",
    "coreml": "coreml",
    "keras": "keras",
    "tensorflow": "tensorflow",
    "openvino": "openvino",
    "mlx": "mlx",
}

P = TypeVar("P", bound=Outline)

PAPERS = ("arxiv", "doi")
"""Prefixes of tags that name a paper."""

_NEXT = re.compile(r'<([^<>]*)>\s*;\s*rel="?next"?')
_OBJECT_ID = re.compile(r"[0-9a-f]{24}")


class HuggingFaceForge:
    """URL rules and error words of huggingface.co as a git host."""

    hub = HUB

    def __init__(self, *, has_token: bool) -> None:
        self._has_token = has_token

    def git_url(self, origin: str) -> str:
        """Git is served under the plain name."""
        return origin

    def lfs_url(self, origin: str) -> str:
        """The LFS API, as git-lfs derives it."""
        return f"{origin}.git/info/lfs"

    def file_url(self, origin: str, revision: str, path: str) -> str | None:
        """The resolve URL, which has a larger budget than the LFS batch API."""
        escaped = quote(path.encode("utf-8", "surrogateescape"))
        return f"{origin}/resolve/{quote(revision, safe='')}/{escaped}"

    def origin_of(self, git_url: str) -> str:
        """The origin behind a git URL; CorruptError when it is none of this host."""
        parts = urlsplit(git_url)
        name = parts.path.removesuffix("/info/refs").removesuffix(".git").strip("/")
        if f"{parts.scheme}://{parts.netloc}" != BASE or not _is_repo_id(name):
            raise CorruptError("a redirect to something that is no repository", url=git_url)
        return f"{BASE}/{name}"

    def explain(self, url: str, status: int, headers: Mapping[str, str], body: bytes) -> ItemError:
        """Tell gated, disabled, missing and a wrong token apart."""
        code = headers.get("x-error-code", "")
        message = headers.get("x-error-message", "") or body[:200].decode("utf-8", "replace")
        reason = self._skip_reason(status, code, message)
        if reason is not None:
            return SkipError(f"{reason}: {message}", reason, url=url, status=status)
        if status in (401, 403):
            text = f"the access token (HF_TOKEN, or a login) was not accepted: {message}"
            return FailError(text, FailReason.REFUSED, url=url, status=status)
        return CorruptError(f"unexpected answer {status}: {message}", url=url, status=status)

    def _skip_reason(self, status: int, code: str, message: str) -> SkipReason | None:
        by_code = {
            "GatedRepo": SkipReason.GATED,
            "RepoNotFound": SkipReason.GONE,
            "EntryNotFound": SkipReason.MISSING_AT_ORIGIN,
            "RevisionNotFound": SkipReason.MISSING_AT_ORIGIN,
        }
        by_status = {404: SkipReason.GONE, 410: SkipReason.GONE, 451: SkipReason.LEGAL}
        if code in by_code:
            return by_code[code]
        if status == 403 and "disabled" in message.lower():
            return SkipReason.DISABLED
        if status == 401 and not self._has_token:
            return SkipReason.GONE
        return by_status.get(status)


class HuggingFace:
    """The adapter; see the module's text."""

    def __init__(self, transport: Transport, *, has_token: bool) -> None:
        self._transport = transport
        self.forge = HuggingFaceForge(has_token=has_token)

    def first_cursor(self, scope: Scope) -> str:
        """Newest first; a glob with a literal owner becomes the hub's own filter."""
        query = {"sort": "createdAt", "direction": "-1"}
        whole_pages = scope.limit is None or scope.globs
        query["limit"] = str(PAGE if whole_pages else min(PAGE, scope.limit or PAGE))
        owners = {glob.split("/")[0] for glob in scope.globs if "/" in glob}
        if len(owners) == 1 and all("/" in glob for glob in scope.globs):
            owner = owners.pop()
            query |= {} if re.search(r"[*?\[]", owner) else {"author": owner}
        return f"/api/models?{urlencode(query)}&{_expand()}"

    async def page(self, cursor: str) -> ListedPage:
        """One page; an answer that is no list (the hub sends those) counts as a broken answer."""
        response = await self._transport.get(BASE + cursor)
        if response.status != 200:
            raise self._explain(response)
        if not response.body.lstrip().startswith(b"["):
            raise NetworkError("the listing sent something else than a list", url=response.url)
        if not response.body.rstrip().endswith(b"]"):
            raise NetworkError("the listing sent half a page", url=response.url)
        return ListedPage(response.body, cursor, _next_cursor(response.headers.get("link", "")))

    async def ask(self, name: str, package_id: str) -> Answer:
        """Ask by name; the answer counts only if it is still the same ``_id``."""
        path = f"/api/models/{quote(name)}?{_expand()}"
        response = await self._transport.get(BASE + path)
        if response.status != 200:
            error = self._explain(response)
            gone = isinstance(error, SkipError) and error.reason is SkipReason.GONE
            if gone:
                return Answer(AnswerKind.GONE)
            raise error
        found = parse(response.body)
        if not found.packages:
            raise CorruptError("the answer holds no package", url=response.url)
        if found.packages[0][1].package_id != package_id:
            return Answer(AnswerKind.GONE)
        return Answer(AnswerKind.PRESENT, ListedPage(response.body, path, None))

    def _explain(self, response: Response) -> ItemError:
        return self.forge.explain(response.url, response.status, response.headers, response.body)


def parse(body: bytes) -> ParsedPage[Package]:
    """The packages of a page (a list of records) or of an answer (one record)."""
    return _parse(body, package_of)


def outline(body: bytes) -> ParsedPage[Outline]:
    """The same packages in outline: a list of millions is taken in this way."""
    return _parse(body, outline_of)


def _parse(body: bytes, read: Callable[[Any], P]) -> ParsedPage[P]:
    packages: list[tuple[int, P]] = []
    unparsed: list[Unparsed] = []
    records: list[Any] = []
    try:
        for index, record in enumerate(fields.members(body)):
            records.append(record)
            try:
                packages.append((index, read(record)))
            except ValueError as error:
                unparsed.append(Unparsed(index, str(error)))
    except ValueError as error:
        unparsed.append(Unparsed(0, str(error)))
    return ParsedPage(tuple(packages), tuple(unparsed), drift_of(records, SHAPE))


def outline_of(record: Any) -> Outline:
    """One record of the API as a package in outline; ValueError says why it is none."""
    if isinstance(record, ValueError):
        raise record
    if not isinstance(record, dict):
        raise ValueError(f"a record that is a {type(record).__name__}")  # noqa: TRY004
    package_id, name = fields.text(record, "_id"), fields.text(record, "id")
    if package_id is None or not _OBJECT_ID.fullmatch(package_id):
        raise ValueError("no valid _id")
    if name is None or not _is_repo_id(name):
        raise ValueError("no valid repository id")
    head = fields.text(record, "sha")
    modified = fields.text(record, "lastModified")
    return Outline(
        package_id=package_id,
        name=name,
        origin=f"{BASE}/{name}",
        status=_status(record),
        fingerprint=f"{head} {modified}" if head and modified else None,
        downloads_30d=fields.integer(record, "downloads"),
        used_bytes=fields.integer(record, "usedStorage"),
    )


def package_of(record: Any) -> Package:
    """One record of the API as a package; ValueError says why it is none."""
    known = outline_of(record)
    name, tags = known.name, fields.texts(record, "tags")
    told = _by_prefix(tags)
    license_raw = _license(record, told)
    numbers = fields.table(record, "safetensors"), fields.table(record, "gguf")
    return Package(
        hub=HUB,
        package_id=known.package_id,
        name=name,
        url=f"{BASE}/{name}",
        origin=known.origin,
        status=known.status,
        owner=fields.text(record, "author") or (name.split("/")[0] if "/" in name else None),
        head=fields.text(record, "sha"),
        fingerprint=known.fingerprint,
        task=fields.text(record, "pipeline_tag"),
        library=fields.text(record, "library_name"),
        framework=next((FRAMEWORKS[tag] for tag in tags if tag in FRAMEWORKS), None),
        architecture=_architecture(record),
        license_raw=license_raw,
        license_spdx=spdx(license_raw),
        languages=_languages(record),
        tags=tags,
        datasets=tuple(told.get("dataset", ())),
        papers=tuple([Paper(kind, id_) for kind in PAPERS for id_ in told.get(kind, ())]),
        downloads_30d=known.downloads_30d,
        downloads_all=fields.integer(record, "downloadsAllTime"),
        likes=fields.integer(record, "likes"),
        parameters=fields.integer(numbers[0], "total") or fields.integer(numbers[1], "total"),
        used_bytes=known.used_bytes,
        created_at=fields.instant(record, "createdAt"),
        modified_at=fields.instant(record, "lastModified"),
    )


def _is_repo_id(name: str) -> bool:
    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return name.isascii()


def _status(record: Mapping[str, Any]) -> PackageStatus:
    if record.get("disabled") is True:
        return PackageStatus.DISABLED
    if record.get("private") is True:
        return PackageStatus.PRIVATE
    return PackageStatus.GATED if record.get("gated") else PackageStatus.LISTED


def _license(record: Mapping[str, Any], told: Mapping[str, list[str]]) -> str | None:
    named = told.get("license") or fields.texts(fields.table(record, "cardData"), "license")
    return named[0] if named else None


def _architecture(record: Mapping[str, Any]) -> str | None:
    config = fields.table(record, "config")
    named = fields.texts(config, "architectures")
    model_type = fields.text(config, "model_type")
    return (
        (named[0] if named else None)
        or model_type
        or fields.text(fields.table(record, "gguf"), "architecture")
    )


def _languages(record: Mapping[str, Any]) -> tuple[str, ...]:
    return fields.texts(fields.table(record, "cardData"), "language")


def _by_prefix(tags: tuple[str, ...]) -> dict[str, list[str]]:
    """What tags say in the form ``prefix:value``."""
    told: dict[str, list[str]] = {}
    for tag in tags:
        prefix, colon, value = tag.partition(":")
        if colon:
            told.setdefault(prefix, []).append(value)
    return told


def _expand() -> str:
    return urlencode([("expand[]", name) for name in EXPAND])


def _next_cursor(link: str) -> str | None:
    """Path and query of the next page; the host is the transport's business."""
    match = _NEXT.search(link)
    if match is None:
        return None
    parts = urlsplit(match[1])
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _build(means: Means, values: HubValues) -> HuggingFace:
    del values
    has_token = means.transport.access.tokens.header_for(BASE) is not None
    return HuggingFace(means.transport, has_token=has_token)


def _forge(has_token: bool, without_lfs: Set[str]) -> HuggingFaceForge:
    del without_lfs
    return HuggingFaceForge(has_token=has_token)


WHOAMI = WhoAmI(
    url=f"{BASE}/api/whoami-v2",
    source="HF_TOKEN, or the hub's own login file",
    read=lambda record: (fields.text(record, "name"), None),
)

HUGGINGFACE = HubKind(
    id=HUB,
    title="Hugging Face",
    base=BASE,
    settings={"enabled": True, "endpoint": BASE},
    shape=SHAPE,
    parse=parse,
    outline=outline,
    build=_build,
    endpoints=lambda values: {BASE: str(values["endpoint"])},
    hosts=(".hf.co", ".huggingface.co"),
    git_host=GitHost(
        id=HUB, base=BASE, bases=(BASE,), forge=_forge, token=get_token, whoami=WHOAMI
    ),
)
