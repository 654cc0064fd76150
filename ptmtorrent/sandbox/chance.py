"""Repeatable chance: every choice of the world is a function of its seed and of what is chosen."""

import random


def dice(seed: int, *labels: object) -> random.Random:
    """A source of choices for one thing; equal seed and labels give equal choices."""
    text = "/".join(str(part) for part in (seed, *labels))
    return random.Random(text)  # noqa: S311 (a made-up world, nothing secret)
