"""Settings: every knob, its default and its unit, in one place.

Read once by the command line (flag, then ``PTMTORRENT_*``, then the TOML file) into frozen values;
inner code takes what it needs as required arguments. Hubs declare their own keys, so that a new
hub needs no line here.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from ptmtorrent.errors import NotFoundError, UsageError
from ptmtorrent.model.work import Depth

T = TypeVar("T")

HubDefaults = Mapping[str, Mapping[str, "bool | str"]]
"""Hub id -> setting -> default, as the hubs declare them."""

_UNITS = {"": 1, "B": 1}
_UNITS |= {f"{p}B": 1000**n for n, p in enumerate("kMGTP", 1)}
_UNITS |= {f"{p}iB": 1024**n for n, p in enumerate("KMGTP", 1)}
_COUNTS = ("top", "git.concurrency")
"""Settings that are no sizes."""
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([A-Za-z]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class GithubSettings:
    """Where GitHub's three faces are; another value replaces scheme, host and port only."""

    api: str = "https://api.github.com"
    raw: str = "https://raw.githubusercontent.com"
    git: str = "https://github.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSettings:
    """What connections are allowed, and how long one may be silent.

    Attributes:
        allow_private: permit plain http and loopback addresses (the sandbox needs it).
        timeout_s: seconds without a byte after which a connection counts as broken.
    """

    allow_private: bool = False
    timeout_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GitSettings:
    """Limits of git clones.

    Attributes:
        max_pack: bytes; an origin with a larger pack is fetched filtered.
        blob_limit: bytes; a filtered fetch leaves out larger blobs.
        concurrency: origins visited at the same time.
    """

    max_pack: int = 256 * 1024**2
    blob_limit: int = 1024**2
    concurrency: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a run depends on besides its root.

    Attributes:
        depth: how much of each origin is wanted.
        top: fetch only this many packages a hub, the most downloaded first; None for all.
        limit: list at most this many packages a hub; None for all.
        max_bytes: stop fetching after this many bytes; None for no limit.
        only: ``HUB`` or ``HUB:GLOB`` selections; empty for everything.
        contact: how hubs can reach the operator; goes into the User-Agent.
        anonymous: use no tokens, wherever there are any.
        hubs: hub id -> setting -> value; each hub declares its own keys.
    """

    depth: Depth = Depth.HISTORY
    top: int | None = None
    limit: int | None = None
    max_bytes: int | None = None
    only: tuple[str, ...] = ()
    contact: str = ""
    anonymous: bool = False
    hubs: HubDefaults = field(default_factory=dict)
    github: GithubSettings = field(default_factory=GithubSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    git: GitSettings = field(default_factory=GitSettings)

    def selected(self) -> dict[str, tuple[str, ...]]:
        """Enabled hubs that ``only`` selects, each with its name globs (empty for all names)."""
        enabled = [hub for hub, values in self.hubs.items() if values.get("enabled", True)]
        if not self.only:
            return dict.fromkeys(enabled, ())
        chosen: dict[str, tuple[str, ...]] = {}
        for selection in self.only:
            hub, colon, glob = selection.partition(":")
            check_name(hub, self.hubs, "hub")
            if colon and not glob:
                raise UsageError(f"{selection!r} selects nothing; write HUB, or HUB:GLOB")
            if hub not in enabled:
                raise UsageError(f"hub {hub!r} is switched off in the settings")
            chosen[hub] = (*chosen.get(hub, ()), *([glob] if glob else []))
        return chosen


MOST = 999_999_999
"""Of packages, days and whatever else is counted; more is a slip, and overflows somewhere."""


def parse_size(text: str | int) -> int:
    """A size in bytes: ``1048576``, ``256MiB``, ``1.5 GB``. UsageError for anything else."""
    match = _SIZE.fullmatch(str(text).strip())
    if not match or match[2] not in _UNITS:
        units = ", ".join(filter(None, _UNITS))
        raise UsageError(f"not a size: {text!r}; write bytes, or a number with {units}")
    return int(float(match[1]) * _UNITS[match[2]])


def parse_count(text: str | int) -> int:
    """How many: a number from 1 to ``MOST``. UsageError for anything else."""
    digits = str(text)
    if not (digits.isascii() and digits.isdigit() and 0 < int(digits) <= MOST):
        raise UsageError(f"not a number from 1 to {MOST}: {text!r}")
    return int(digits)


def check_name(name: str, known: Iterable[str], kind: str) -> None:
    """UsageError that names the nearest valid one, unless ``name`` is known."""
    names = sorted(known)
    if name in names:
        return
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}"
    raise UsageError(f"unknown {kind} {name!r}; {hint}")


def defaults(hubs: HubDefaults) -> Settings:
    """The settings of someone who set nothing."""
    return Settings(hubs={hub: dict(values) for hub, values in hubs.items()})


def load(path: Path, hubs: HubDefaults) -> Settings:
    """Settings from a TOML file.

    Raises:
        NotFoundError: there is no such file.
        UsageError: it is not TOML, or a name or value in it is wrong; names the nearest valid one.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise NotFoundError(f"no settings file {path}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"cannot read settings {path}: {error}") from error
    return from_table(table, hubs)


def from_table(table: Mapping[str, Any], hubs: HubDefaults) -> Settings:
    """Settings from a parsed TOML table; see ``load``."""
    plain = {"depth", "top", "max_bytes", "contact"}
    for name in table:
        check_name(name, plain | {"hubs", "github", "network", "git"}, "setting")
    base = defaults(hubs)
    return replace(
        base,
        **{
            name: _value(f"{name}", getattr(base, name), table[name]) for name in plain & set(table)
        },
        hubs=_hub_tables(_section(table, "hubs"), base.hubs),
        github=_typed(base.github, _section(table, "github"), "github"),
        network=_typed(base.network, _section(table, "network"), "network"),
        git=_typed(base.git, _section(table, "git"), "git"),
    )


def _section(table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = table.get(name, {})
    if not isinstance(section, Mapping):
        raise UsageError(f"setting {name!r} must be a table: [{name}]")
    return section


def _hub_tables(tables: Mapping[str, Any], known: HubDefaults) -> HubDefaults:
    merged = {hub: dict(values) for hub, values in known.items()}
    for hub in tables:
        check_name(hub, known, "hub")
        for name, value in _section(tables, hub).items():
            check_name(name, known[hub], f"setting of [hubs.{hub}]")
            merged[hub][name] = _value(f"hubs.{hub}.{name}", known[hub][name], value)
    return merged


def _typed(base: T, table: Mapping[str, Any], section: str) -> T:
    names = [f.name for f in fields(base)]  # type: ignore[arg-type]
    for name in table:
        check_name(name, names, f"setting of [{section}]")
    values = {n: _value(f"{section}.{n}", getattr(base, n), v) for n, v in table.items()}
    return replace(base, **values)  # type: ignore[type-var]


def _value(name: str, default: object, value: Any) -> Any:
    """``value`` as the type that the setting has; sizes and depths may be written in words."""
    if name == "depth":
        return parse_depth(str(value))
    if isinstance(default, bool) or isinstance(value, bool):
        fits = isinstance(default, bool) and isinstance(value, bool)
    elif default is None or isinstance(default, int):
        fits = isinstance(value, str | int)
        value = _number(name, value) if fits else value
    elif isinstance(default, float):
        fits = isinstance(value, int | float) and value > 0
        value = float(value) if fits else value
    else:
        fits = isinstance(value, str)
    if not fits:
        _wrong(name, default, value)
    return value


def _number(name: str, value: str | int) -> int:
    try:
        return parse_count(value) if name in _COUNTS else parse_size(value)
    except UsageError as error:
        raise UsageError(f"setting {name}: {error}") from None


def _wrong(name: str, default: object, value: object) -> NoReturn:
    kind = type(default).__name__ if isinstance(default, bool | str) else "number"
    kind = "number above 0" if isinstance(default, float) else kind
    raise UsageError(f"setting {name} must be a {kind}, not {value!r}")


def parse_depth(word: str) -> Depth:
    """The depth a word names; UsageError naming the valid ones."""
    check_name(word.lower(), [depth.word for depth in Depth], "depth")
    return Depth.of(word)
