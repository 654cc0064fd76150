"""What a server says about its limits, read from response headers.

Three dialects are understood: ``RateLimit`` and ``RateLimit-Policy`` (IETF httpapi draft 9, as
Hugging Face sends them), ``x-ratelimit-*`` (GitHub REST) and ``Retry-After`` (RFC 9110, section
10.2.3). Headers are untrusted: what does not follow its grammar counts as not sent.
"""

import calendar
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

MOST_WAIT_S = 3600.0
"""No server makes us wait longer than this before we ask it again, once."""

SECONDARY_WAIT_S = 60.0
"""GitHub asks for at least a minute after a refusal that is not for an empty window."""

_NUMBER = re.compile(r"[0-9]{1,9}")
_EPOCH = re.compile(r"[0-9]{1,11}")
_YEAR_S = 366 * 86400
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_LEFT = re.compile(r'"([A-Za-z0-9_.-]{1,64})"\s*;\s*r=([0-9]{1,9})\s*;\s*t=([0-9]{1,9})(?![0-9])')
_POLICY = re.compile(r'"([A-Za-z0-9_.-]{1,64})"\s*;\s*q=([0-9]{1,9})\s*;\s*w=([0-9]{1,9})(?![0-9])')
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_IMF_DATE = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{2}) (" + "|".join(_MONTHS) + r") "
    r"([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)
_SENTENCE = re.compile(rb"rate limit|abuse detection", re.IGNORECASE)
_TELLING = re.compile(rb'rate.limit|abuse detection|"code"\s*:\s*429', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Advice:
    """What one response said about the limits of its bucket; None is "did not say".

    Attributes:
        bucket: the server's name for the bucket.
        quota: requests allowed in a window.
        remaining: requests left in this window.
        reset_s: seconds until this window ends, 0 to 3600.
        window_s: length of a window in seconds, at most 3600.
        retry_after_s: seconds the server asks us to stay away, 0 to 3600.
        least_wait_s: seconds to stay away after a refusal that names no time.
    """

    bucket: str | None = None
    quota: int | None = None
    remaining: int | None = None
    reset_s: float | None = None
    window_s: float | None = None
    retry_after_s: float | None = None
    least_wait_s: float | None = None

    @property
    def wait_s(self) -> float | None:
        """How long to stay away after a refusal, or None when the server left that open."""
        if self.remaining != 0 or self.reset_s is None:
            return self.least_wait_s if self.retry_after_s is None else self.retry_after_s
        return max(self.retry_after_s or 0.0, clamp_wait(self.reset_s + 1))


def parse_advice(headers: Mapping[str, str], wall: float) -> Advice | None:
    """Read the limits out of response headers; None when they say nothing. Never raises.

    Args:
        headers: response headers, names in any case.
        wall: our own clock (Unix seconds), used where the server sends no ``Date``, or one by
            which a moment that lies ahead is past or further away than an hour.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    date = parse_imf_date(lower.get("date", ""))
    clocks = (wall,) if date is None else (date, wall)
    counted = _ietf(lower) or _github(lower, clocks) or Advice()
    retry_after = parse_retry_after(lower.get("retry-after", ""), *clocks)
    advice = replace(counted, retry_after_s=retry_after)
    return None if advice == Advice() else advice


def parse_retry_after(value: str, *clocks: float) -> float | None:
    """Seconds asked for by a ``Retry-After`` (digits or an IMF date), clamped, or None.

    Args:
        value: the header.
        clocks: Unix seconds now, the most credible clock first.
    """
    value = value.strip(" \t")
    if _NUMBER.fullmatch(value):
        return clamp_wait(float(value))
    date = parse_imf_date(value)
    return None if date is None else _until(date, clocks)


def parse_imf_date(value: str) -> float | None:
    """Unix seconds of an IMF-fixdate (RFC 9110, section 5.6.7), or None. Knows no locale."""
    match = _IMF_DATE.fullmatch(value.strip(" \t"))
    if match is None:
        return None
    day, month, year, hour, minute, second = match.groups()
    fields = (int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second))
    in_range = fields[0] >= 1970 and 1 <= fields[2] <= 31
    if not in_range or fields[3] > 23 or fields[4] > 59 or fields[5] > 60:
        return None
    return float(calendar.timegm(fields))


def clamp_wait(seconds: float) -> float:
    """``seconds`` brought between 0 and an hour."""
    return min(max(seconds, 0.0), MOST_WAIT_S)


def is_refusal(status: int, advice: Advice | None, body: bytes = b"") -> bool:
    """Whether an answer means "not now": 429, 503 with a time, or a rate limit in words.

    GitHub refuses with 403 as well: with nothing remaining, with ``Retry-After``, or with a
    sentence about its secondary limits.
    """
    retry_after = advice is not None and advice.retry_after_s is not None
    if status == 429 or (status in (403, 503) and retry_after):
        return True
    if status == 403 and advice is not None and advice.remaining == 0:
        return True
    if status == 403:
        return _SENTENCE.search(body[:4096]) is not None
    return status == 200 and _is_refusal_in_json(body)


def _is_refusal_in_json(body: bytes) -> bool:
    """Whether a 200 holds nothing but the news that we ask too much.

    GitHub's GraphQL says so in ``errors``, or in a ``message`` (its REST and GraphQL
    documentation); the git-LFS batch API by object; Hugging Face has been seen to do it in an
    ``error`` (huggingface_hub#1817).
    """
    if not body[:64].lstrip().startswith(b"{") or not _TELLING.search(body):
        return False
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return False
    if any(_SENTENCE.search(word.encode("utf-8", "replace")) for word in _words_of_error(said)):
        return True
    return any(_is_limit(error) for error in _errors(said))


def _words_of_error(said: dict[str, object]) -> list[str]:
    """The sentences of an object that is an error and nothing else."""
    if not said.keys() <= {"error", "message", "documentation_url", "status", "request_id"}:
        return []
    return [word for word in (said.get("error"), said.get("message")) if isinstance(word, str)]


def _errors(said: dict[str, object]) -> list[object]:
    """The errors of a GraphQL answer, or of the objects of an LFS batch."""
    errors, objects = said.get("errors"), said.get("objects")
    found = list(errors) if isinstance(errors, list) else []
    if isinstance(objects, list):
        found += [entry.get("error") for entry in objects if isinstance(entry, dict)]
    return found


def _is_limit(error: object) -> bool:
    if not isinstance(error, dict):
        return False
    return error.get("type") in ("RATE_LIMITED", "RATE_LIMIT") or error.get("code") == 429


def _ietf(headers: Mapping[str, str]) -> Advice | None:
    left = _LEFT.search(headers.get("ratelimit", ""))
    if left is None:
        return None
    bucket, remaining, reset = left.groups()
    policies = {m[1]: m for m in _POLICY.finditer(headers.get("ratelimit-policy", ""))}
    policy = policies.get(bucket)
    return Advice(
        bucket=bucket,
        quota=int(policy[2]) if policy else None,
        remaining=int(remaining),
        reset_s=clamp_wait(float(reset)),
        window_s=clamp_wait(float(policy[3])) if policy else None,
    )


def _github(headers: Mapping[str, str], clocks: Sequence[float]) -> Advice | None:
    remaining = _NUMBER.fullmatch(headers.get("x-ratelimit-remaining", ""))
    if remaining is None:
        return None
    reset = _EPOCH.fullmatch(headers.get("x-ratelimit-reset", ""))
    limit = _NUMBER.fullmatch(headers.get("x-ratelimit-limit", ""))
    bucket = _NAME.fullmatch(headers.get("x-ratelimit-resource", ""))
    return Advice(
        bucket=bucket[0] if bucket else None,
        quota=int(limit[0]) if limit else None,
        remaining=int(remaining[0]),
        reset_s=_reset(float(reset[0]), clocks) if reset else None,
        least_wait_s=SECONDARY_WAIT_S,
    )


def _reset(value: float, clocks: Sequence[float]) -> float:
    """Seconds until a reset: Unix time at GitHub; others send the seconds themselves."""
    return clamp_wait(value) if value < _YEAR_S else _until(value, clocks)


def _until(moment: float, clocks: Sequence[float]) -> float:
    """Seconds until ``moment`` by the first clock that makes sense of it, or else by the first."""
    waits = [moment - clock for clock in clocks]
    return clamp_wait(next((wait for wait in waits if 0 <= wait <= MOST_WAIT_S), waits[0]))
