"""What an error means for the item it happened to. Pure."""

import random
from datetime import UTC, datetime, timedelta

from ptmtorrent.errors import FailError, ItemError, RefusedError, SkipError, UnansweringError
from ptmtorrent.model.work import Failed, Outcome, Postponed, Skipped

MAX_ATTEMPTS = 4
"""Attempts at an item in one run when the network fails; each of them has retried inside."""

MAX_REFUSALS = 20
"""Attempts at an item that the server puts off."""

BASE_S = 2.0
CAP_S = 120.0


def outcome_of(error: ItemError, attempt: int, now: float, rng: random.Random) -> Outcome:
    """The outcome of an attempt that ended in ``error``.

    A skip is the world's answer. A refusal waits as long as the server said, and a host that does
    not answer is left alone until it is asked again. What may pass is tried again after full-jitter
    exponential backoff; everything else has failed.

    Args:
        error: what happened.
        attempt: number of this attempt, from 1.
        now: seconds since the epoch.
        rng: source of the jitter.
    """
    if isinstance(error, SkipError):
        return Skipped(error.reason)
    assert isinstance(error, FailError)  # noqa: S101  # ItemError has these two families
    last = MAX_REFUSALS if isinstance(error, RefusedError) else MAX_ATTEMPTS
    if not error.transient or attempt >= last:
        return Failed(error.reason)
    wait = rng.uniform(0, min(CAP_S, BASE_S * 2**attempt))
    if isinstance(error, RefusedError | UnansweringError) and error.wait_s is not None:
        wait = max(wait, error.wait_s)
    return Postponed(datetime.fromtimestamp(now, UTC) + timedelta(seconds=wait), error.reason)
