"""Rate limits as the hubs keep them: fixed windows per client and bucket, told in headers.

Hugging Face: a window of 300 s, three buckets, ``RateLimit`` and ``RateLimit-Policy`` (IETF draft
"RateLimit header fields for HTTP", 09) on every response. GitHub: a window of an hour and the
``x-ratelimit-*`` headers of its REST documentation.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Bucket(StrEnum):
    """What a request is counted as."""

    API = "api"
    RESOLVERS = "resolvers"
    PAGES = "pages"
    GITHUB = "core"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Requests a client may make in one window. The defaults are generous on purpose.

    Attributes:
        github: requests of GitHub's REST API.
        window_s: length of a window at Hugging Face.
        github_window_s: length of a window at GitHub.
    """

    api: int = 100_000
    resolvers: int = 100_000
    pages: int = 100_000
    github: int = 100_000
    window_s: int = 300
    github_window_s: int = 3600

    def quota(self, bucket: Bucket) -> int:
        """Requests per window in ``bucket``."""
        quotas = {Bucket.API: self.api, Bucket.RESOLVERS: self.resolvers}
        return quotas.get(bucket, self.github if bucket is Bucket.GITHUB else self.pages)

    def window(self, bucket: Bucket) -> int:
        """Seconds of a window of ``bucket``."""
        return self.github_window_s if bucket is Bucket.GITHUB else self.window_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a client stands in a bucket after a request was counted.

    Attributes:
        used: requests counted in this window, the refused ones included.
        resets_at: when the window ends, in seconds since 1970.
        reset_s: whole seconds until then, rounded up.
    """

    bucket: Bucket
    quota: int
    window_s: int
    used: int
    resets_at: float
    reset_s: int

    @property
    def refused(self) -> bool:
        """Whether the request was one too many."""
        return self.used > self.quota

    @property
    def remaining(self) -> int:
        """Requests left in this window."""
        return max(0, self.quota - self.used)


class Limiter:
    """Counts requests; a window begins with the first request after the last one ended."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._windows: dict[tuple[str, Bucket], tuple[float, int]] = {}

    def charge(self, client: str, bucket: Bucket) -> Standing:
        """Count one request of ``client``, whatever becomes of it."""
        now, window = self._clock(), self._limits.window(bucket)
        ends, used = self._windows.get((client, bucket), (now, 0))
        if now >= ends:
            ends, used = now + window, 0
        self._windows[client, bucket] = (ends, used + 1)
        return Standing(
            bucket=bucket,
            quota=self._limits.quota(bucket),
            window_s=window,
            used=used + 1,
            resets_at=ends,
            reset_s=math.ceil(ends - now),
        )


def hub_headers(standing: Standing) -> dict[str, str]:
    """The two headers of Hugging Face."""
    name, window = standing.bucket.value, standing.window_s
    return {
        "RateLimit": f'"{name}";r={standing.remaining};t={standing.reset_s}',
        "RateLimit-Policy": f'"fixed window";"{name}";q={standing.quota};w={window}',
    }


def github_headers(standing: Standing) -> dict[str, str]:
    """The headers of GitHub's REST API."""
    return {
        "x-ratelimit-limit": str(standing.quota),
        "x-ratelimit-remaining": str(standing.remaining),
        "x-ratelimit-used": str(min(standing.used, standing.quota)),
        "x-ratelimit-reset": str(math.ceil(standing.resets_at)),
        "x-ratelimit-resource": standing.bucket.value,
    }
