"""What git's words on stderr mean. Pure; the text is git's own, with ``LC_ALL=C``."""

import re
import signal
from collections.abc import Callable

from ptmtorrent.errors import (
    CorruptError,
    FatalError,
    ForbiddenAddressError,
    ItemError,
    NetworkError,
    RefusedError,
    SkipError,
    SkipReason,
)
from ptmtorrent.net.gitproc import GitResult
from ptmtorrent.net.text import safe_text, safe_url

_MACHINE = re.compile(
    r"^(?!remote:).*(?:No space left on device|Disk quota exceeded|Read-only file system)",
    re.MULTILINE,
)

_Maker = Callable[[str, str], ItemError]


def explain_git(result: GitResult, url: str) -> ItemError | FatalError:
    """The error that a failed git process stands for; ``url`` is the canonical one.

    What the machine refuses is fatal, and never the repository's fault. A server may say the same
    words (``remote:``) of its own machine.
    """
    where = safe_url(url)
    said = _last_words(result.stderr)
    if _MACHINE.search(result.stderr):
        return FatalError(f"git: {said}; make room or mend permissions, then run again")
    status = _status(result.stderr)
    if status is not None:
        return _of_status(status, said, where)
    if result.returncode in (-signal.SIGXFSZ, 128 + signal.SIGXFSZ):
        return _over_limit(said, where)
    for pattern, make in _TABLE:
        if pattern.search(result.stderr):
            return make(said, where)
    return NetworkError(f"git failed ({result.returncode}): {said}", url=where)


def _status(stderr: str) -> int | None:
    match = re.search(r"The requested URL returned error: ([0-9]{3})|HTTP ([0-9]{3}) curl", stderr)
    return int(match[1] or match[2]) if match else None


def _of_status(status: int, said: str, where: str) -> ItemError:
    message = f"git: HTTP {status}: {said}"
    if status == 429 or (status in (403, 503) and "rate limit" in said.lower()):
        return RefusedError(message, url=where, status=status)
    reasons = {
        401: SkipReason.PRIVATE,
        403: SkipReason.GATED,
        404: SkipReason.GONE,
        410: SkipReason.GONE,
        451: SkipReason.LEGAL,
    }
    if status in reasons:
        return SkipError(message, reasons[status], url=where, status=status)
    return NetworkError(message, url=where, status=status)


def _last_words(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("fatal:", "error:", "remote:"))] or lines
    return safe_text("; ".join(telling[-3:]))[:500] or "no message"


def _over_limit(said: str, where: str) -> ItemError:
    return SkipError(f"larger than allowed: {said}", SkipReason.OVER_LIMIT, url=where)


def _private(said: str, where: str) -> ItemError:
    return SkipError(f"git: {said}", SkipReason.PRIVATE, url=where, status=401)


def _gone(said: str, where: str) -> ItemError:
    return SkipError(f"git: {said}", SkipReason.GONE, url=where, status=404)


def _missing(said: str, where: str) -> ItemError:
    return SkipError(f"git: {said}", SkipReason.MISSING_AT_ORIGIN, url=where)


def _refused(said: str, where: str) -> ItemError:
    return RefusedError(f"git: {said}", url=where)


def _corrupt(said: str, where: str) -> ItemError:
    return CorruptError(f"git: {said}", url=where)


def _forbidden(said: str, where: str) -> ItemError:
    return ForbiddenAddressError(f"git: {said}", url=where)


def _broken(said: str, where: str) -> ItemError:
    return NetworkError(f"git: {said}", url=where)


_TABLE: tuple[tuple[re.Pattern[str], _Maker], ...] = tuple(
    (re.compile(words, re.IGNORECASE), make)
    for words, make in (
        (r"file too large|signal 25|pack exceeds maximum", _over_limit),
        (r"out of memory|cannot allocate memory", _over_limit),
        (r"fsck error|cannot lock ref|mismatched algorithms|size_t overflow", _corrupt),
        (r"http-fetch output", _corrupt),
        (
            r"pack is corrupted|pack has bad object|pack has [0-9]+ unresolved"
            r"|pack has junk at the end|pack version [0-9]+ unsupported"
            r"|already resolved|appears twice in the pack|did not receive expected object",
            _corrupt,
        ),
        (r"rate limit|too many requests", _refused),
        (r"not our ref|could not read [0-9a-f]{40}|missing (?:blob|tree|commit) ", _missing),
        (r"authentication failed|could not read username|terminal prompts disabled", _private),
        (r"repository .* not found|repository not found", _gone),
        (r"unable to update url base from redirection|transport '.*' not allowed", _forbidden),
        (
            r"could not resolve host|failed to connect|connection (?:reset|refused|timed out)",
            _broken,
        ),
        (r"possible repository corruption on the remote side", _corrupt),
        (r"early eof|unexpected disconnect|rpc failed|operation too slow|hung up", _broken),
        (r"gnutls|openssl|ssl |transfer closed|invalid index-pack output$", _broken),
        (r"object corrupt|sha1 collision", _corrupt),
        (r"inflate returned|pack signature mismatch|bad (?:tree|object|line)|invalid", _corrupt),
        (r"not valid: is this a git repository|expected 'packfile'|protocol error", _corrupt),
    )
)
