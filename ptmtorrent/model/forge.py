"""The seam between fetching and a git host: URL rules and the meaning of its errors.

A *forge* serves repositories by git, git-LFS and perhaps file by file. Hubs describe theirs;
fetching asks and never needs to know which hub it is.
"""

from collections.abc import Mapping
from typing import Protocol

from ptmtorrent.errors import ItemError


class Forge(Protocol):
    """URL rules and error words of one git host. All URLs are canonical."""

    @property
    def hub(self) -> str:
        """Id of the hub or host, for attempts and messages."""
        ...

    def git_url(self, origin: str) -> str:
        """The URL that git speaks smart HTTP to."""
        ...

    def lfs_url(self, origin: str) -> str | None:
        """The URL of the git-LFS API, without ``/objects/batch``; None where there is none."""
        ...

    def file_url(self, origin: str, revision: str, path: str) -> str | None:
        """The URL of one file's content at a revision, or None where the host has none."""
        ...

    def origin_of(self, git_url: str) -> str:
        """The origin that a git URL (after redirects) belongs to."""
        ...

    def explain(self, url: str, status: int, headers: Mapping[str, str], body: bytes) -> ItemError:
        """What an HTTP error answer means for one item. Header names are lower-case."""
        ...
