"""What every command gets, and the settings it goes by."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ptmtorrent.console.terminal import Console
from ptmtorrent.hubs import HUBS
from ptmtorrent.model.clock import Clock
from ptmtorrent.settings import Settings, defaults, load


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What every command gets from the command line."""

    root: Path
    settings: Settings
    clock: Clock
    console: Console
    version: str

    @property
    def tool(self) -> str:
        """Name and version."""
        return f"ptmtorrent {self.version}"

    @property
    def agent(self) -> str:
        """The User-Agent: who we are, and how to reach who runs us."""
        contact = self.settings.contact or "no contact given"
        return f"{self.tool.replace(' ', '/')} (+{contact})"


def load_settings(path: Path | None) -> Settings:
    """Settings from a file, or the defaults."""
    known = {kind.id: kind.settings for kind in HUBS}
    return defaults(known) if path is None else load(path, known)


def budget_hosts() -> dict[str, str]:
    """Hub id -> the host whose budget matters most."""
    return {kind.id: str(urlsplit(kind.base).hostname) for kind in HUBS}
