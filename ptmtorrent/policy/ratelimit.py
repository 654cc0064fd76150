"""What a server says about its limits, read from response headers.

Three dialects are understood: ``RateLimit`` and ``RateLimit-Policy`` (IETF httpapi draft 9, as
Hugging Face sends them), ``x-ratelimit-*`` (GitHub REST) and ``Retry-After`` (RFC 9110, section
10.2.3). Headers are untrusted: what does not follow its grammar counts as not sent.
"""

import calendar
import re
from collections.abc import Mapping
from dataclasses import dataclass

MOST_WAIT_S = 3600.0
"""No server makes us wait longer than this before we ask it again, once."""

_NUMBER = re.compile(r"[0-9]{1,9}")
_EPOCH = re.compile(r"[0-9]{1,11}")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_LEFT = re.compile(r'"([A-Za-z0-9_.-]{1,64})"\s*;\s*r=([0-9]{1,9})\s*;\s*t=([0-9]{1,9})(?![0-9])')
_POLICY = re.compile(r'"([A-Za-z0-9_.-]{1,64})"\s*;\s*q=([0-9]{1,9})\s*;\s*w=([0-9]{1,9})(?![0-9])')
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_IMF_DATE = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{2}) (" + "|".join(_MONTHS) + r") "
    r"([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)


@dataclass(frozen=True, slots=True)
class Advice:
    """What one response said about the limits of its bucket; None is "did not say".

    Attributes:
        bucket: the server's name for the bucket.
        quota: requests allowed in a window.
        remaining: requests left in this window.
        reset_s: seconds until this window ends, 0 to 3600.
        window_s: length of a window in seconds.
        retry_after_s: seconds the server asks us to stay away, 0 to 3600.
    """

    bucket: str | None = None
    quota: int | None = None
    remaining: int | None = None
    reset_s: float | None = None
    window_s: float | None = None
    retry_after_s: float | None = None

    @property
    def wait_s(self) -> float | None:
        """How long to stay away after a refusal, or None when the server left that open."""
        if self.remaining != 0 or self.reset_s is None:
            return self.retry_after_s
        return max(self.retry_after_s or 0.0, clamp_wait(self.reset_s + 1))


def parse_advice(headers: Mapping[str, str], wall: float) -> Advice | None:
    """Read the limits out of response headers; None when they say nothing. Never raises.

    Args:
        headers: response headers, names in any case.
        wall: our own clock (Unix seconds), used only where the server sends no ``Date``.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    date = parse_imf_date(lower.get("date", ""))
    server_now = wall if date is None else date
    counted = _ietf(lower) or _github(lower, server_now) or Advice()
    retry_after = parse_retry_after(lower.get("retry-after", ""), server_now)
    advice = Advice(
        bucket=counted.bucket,
        quota=counted.quota,
        remaining=counted.remaining,
        reset_s=counted.reset_s,
        window_s=counted.window_s,
        retry_after_s=retry_after,
    )
    return None if advice == Advice() else advice


def parse_retry_after(value: str, server_now: float) -> float | None:
    """Seconds asked for by a ``Retry-After`` (digits or an IMF date), clamped, or None."""
    value = value.strip(" \t")
    if _NUMBER.fullmatch(value):
        return clamp_wait(float(value))
    date = parse_imf_date(value)
    return None if date is None else clamp_wait(date - server_now)


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
    sentence about its secondary limits. Hugging Face has been seen to refuse in a 200 whose JSON
    is an ``error`` (huggingface_hub#1817).
    """
    retry_after = advice is not None and advice.retry_after_s is not None
    if status == 429 or (status in (403, 503) and retry_after):
        return True
    if status == 403 and advice is not None and advice.remaining == 0:
        return True
    said = b"rate limit" in body[:4096].lower()
    return said and (status == 403 or (status == 200 and body.lstrip()[:8] == b'{"error"'))


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
        window_s=float(policy[3]) if policy else None,
    )


def _github(headers: Mapping[str, str], server_now: float) -> Advice | None:
    remaining = _NUMBER.fullmatch(headers.get("x-ratelimit-remaining", ""))
    reset = _EPOCH.fullmatch(headers.get("x-ratelimit-reset", ""))
    if remaining is None or reset is None:
        return None
    limit = _NUMBER.fullmatch(headers.get("x-ratelimit-limit", ""))
    bucket = _NAME.fullmatch(headers.get("x-ratelimit-resource", ""))
    return Advice(
        bucket=bucket[0] if bucket else None,
        quota=int(limit[0]) if limit else None,
        remaining=int(remaining[0]),
        reset_s=clamp_wait(float(reset[0]) - server_now),
    )
