"""Integer keys for joins: the first 8 bytes of the sha256 of a canonical id."""

import hashlib


def key_of(canonical: str) -> int:
    """The signed 64-bit key of a canonical id; shards sort and join by it.

    Two ids with one key would be a collision; the build checks for that and fails.
    """
    digest = hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def package_key(hub: str, package_id: str) -> int:
    """The key of a package: its canonical id is ``hub:package_id``."""
    return key_of(f"{hub}:{package_id}")


def origin_key(url: str) -> int:
    """The key of an origin: its canonical id is its canonical URL."""
    return key_of(url)
