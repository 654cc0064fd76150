"""``requests.jsonl``: what was asked of the sandbox, a line a request, and never a secret."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

_SECRET = re.compile(r"(?i)([?&](?:signature|policy|token|key-pair-id)=)[^&]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One request.

    Attributes:
        t: when it was answered, RFC 3339 UTC.
        host: the name of its ``Site``: ``huggingface``, ``cdn``, ``github`` and so on.
        path: path and query.
        status: 0 where the connection was dropped before an answer.
        range: the ``Range`` header, if any.
        bytes_sent: bytes of the body.
        auth: whether it came with credentials.
    """

    t: str
    host: str
    method: str
    path: str
    status: int
    range: str | None
    bytes_sent: int
    auth: bool


class Journal:
    """A new file of lines, each visible as soon as it is written."""

    def __init__(self, path: Path) -> None:
        self._stream = path.open("w", encoding="utf-8", buffering=1)

    def write(self, line: Line) -> None:
        """Append a line."""
        self._stream.write(json.dumps(asdict(line)) + "\n")

    def close(self) -> None:
        """Nothing more is written."""
        self._stream.close()


def blotted(target: str, headers: Mapping[str, str]) -> str:
    """Path and query without signatures, and without the credential of the request."""
    secret = headers.get("Authorization", "").rpartition(" ")[2]
    target = _SECRET.sub(r"\1-", target)
    return target.replace(secret, "-") if secret else target


def instant(seconds: float) -> str:
    """Seconds since 1970 as RFC 3339 UTC, to the microsecond."""
    return (
        datetime.fromtimestamp(seconds, UTC)
        .isoformat(timespec="microseconds")
        .replace("+00:00", "Z")
    )
