"""Whether a pack is asked for again. Pure.

The transport asks again for an answer that did not begin. A pack that broke off or came damaged is
asked for again from its beginning: no server continues one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ptmtorrent.errors import CorruptError, FailError, ItemError
from ptmtorrent.policy.backoff import Random, RetryPolicy, decide, pause

_DAMAGED = 2


@dataclass(frozen=True, slots=True)
class GitPatience:
    """How often a pack is asked for in a row, the first time included."""

    attempts: int = 6

    def again(self, errors: Sequence[Exception], random: Random) -> float | None:
        """Seconds until it is asked for again after these failures in a row, or None.

        Bytes damaged on the way look like those of a bad server: these are asked for twice more.
        """
        last, retry = errors[-1], RetryPolicy(attempts=self.attempts)
        if isinstance(last, FailError) and last.was_retried:
            return None
        damaged = sum(isinstance(error, CorruptError) for error in errors)
        if isinstance(last, CorruptError) and damaged <= _DAMAGED and len(errors) < self.attempts:
            return pause(last, damaged, retry, random)
        return decide(last, len(errors), retry, random) if isinstance(last, ItemError) else None
