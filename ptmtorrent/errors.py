"""Every error the project raises, named by what happened, and the reason codes items end with.

Two families, told apart because they end differently:

* ``CommandError``: the command cannot go on. Its ``exit_code`` is the one CONTRACT names.
* ``ItemError``: one item could not be had. It costs that item and nothing else, and becomes a
  typed outcome in the ledger and in the dataset.

Anything else that is raised is a bug and ends the run with exit code 1.
"""

from enum import StrEnum


class SkipReason(StrEnum):
    """The world's answer, final for this snapshot."""

    GATED = "gated"
    PRIVATE = "private"
    DISABLED = "disabled"
    GONE = "gone"
    LEGAL = "legal"
    EMPTY = "empty"
    LFS_QUOTA = "lfs_quota"
    MISSING_AT_ORIGIN = "missing_at_origin"
    OVER_LIMIT = "over_limit"
    UNSUPPORTED = "unsupported"
    HUB_UNREACHABLE = "hub_unreachable"


class FailReason(StrEnum):
    """We could not get or understand it after all attempts."""

    NETWORK = "network"
    REFUSED = "refused"
    CORRUPT = "corrupt"
    UNPARSABLE = "unparsable"
    BUG = "bug"


class PtmError(Exception):
    """The root of the tree."""


class CommandError(PtmError):
    """The command cannot go on; the message says what happened and what to do."""

    exit_code: int = 1


class UsageError(CommandError):
    """A flag, setting, hub or query is wrong."""

    exit_code = 2


class NotFoundError(CommandError):
    """No such root, snapshot, package or path."""

    exit_code = 4


class IntegrityError(CommandError):
    """Bytes in the root are not what their name or record says."""

    exit_code = 6


class FatalError(CommandError):
    """The machine refuses: disk full, no inodes, no permission, read-only root."""

    exit_code = 7


class OutputError(FatalError):
    """There is no room for what is printed."""


class WriterActiveError(CommandError):
    """Another process is writing to this root."""

    exit_code = 11


class StoppedError(CommandError):
    """A signal asked the run to stop; what was finished is kept."""

    def __init__(self, signum: int) -> None:
        super().__init__("stopped; everything finished so far is kept, run it again to go on")
        self.exit_code = 128 + signum


class ItemError(PtmError):
    """One item could not be had.

    Attributes:
        url: the canonical URL that was asked, or the empty string.
        status: the HTTP status that said so, if one did.
    """

    def __init__(self, message: str, *, url: str = "", status: int | None = None) -> None:
        super().__init__(message)
        self.url = url
        self.status = status


class SkipError(ItemError):
    """The world's answer: final for this snapshot (gated, gone, empty, ...)."""

    def __init__(
        self, message: str, reason: SkipReason, *, url: str = "", status: int | None = None
    ) -> None:
        super().__init__(message, url=url, status=status)
        self.reason = reason


class FailError(ItemError):
    """We could not get or understand it.

    Attributes:
        reason: the reason code of the outcome when it stays so.
        transient: whether asking again may help.
        was_retried: whether whoever asked has asked again already, as often as is decent.
    """

    def __init__(
        self,
        message: str,
        reason: FailReason,
        *,
        url: str = "",
        status: int | None = None,
        transient: bool = False,
    ) -> None:
        super().__init__(message, url=url, status=status)
        self.reason = reason
        self.transient = transient
        self.was_retried = False


class NetworkError(FailError):
    """The connection broke, timed out or answered with a server error; asking again may help."""

    def __init__(self, message: str, *, url: str = "", status: int | None = None) -> None:
        super().__init__(message, FailReason.NETWORK, url=url, status=status, transient=True)


class UnansweringError(NetworkError):
    """The host has not answered for a while, so it was not even asked.

    Attributes:
        wait_s: seconds until it is asked again.
    """

    def __init__(self, message: str, *, wait_s: float) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class RefusedError(FailError):
    """The server said: not now (429, 503 with Retry-After, a rate limit in words).

    Attributes:
        wait_s: seconds the server asked us to wait, or None when it did not say.
    """

    def __init__(
        self,
        message: str,
        *,
        url: str = "",
        status: int | None = None,
        wait_s: float | None = None,
    ) -> None:
        super().__init__(message, FailReason.REFUSED, url=url, status=status, transient=True)
        self.wait_s = wait_s


class CorruptError(FailError):
    """What arrived is not what was announced: wrong hash, size, tip, type or structure."""

    def __init__(self, message: str, *, url: str = "", status: int | None = None) -> None:
        super().__init__(message, FailReason.CORRUPT, url=url, status=status)


class ForbiddenAddressError(FailError):
    """An address, scheme or host that no connection may be made to."""

    def __init__(self, message: str, *, url: str = "") -> None:
        super().__init__(message, FailReason.REFUSED, url=url)
