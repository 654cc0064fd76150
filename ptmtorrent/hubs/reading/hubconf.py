"""What ``hubconf.py`` of a repository offers to ``torch.hub.load``, read without running it.

**Entry points.** ``torch.hub`` imports the file and takes every callable with a public name. Here
its syntax tree is read: functions and classes it defines, what it makes of them with ``partial``,
and names it imports from modules of the same repository. A name from elsewhere (``Path``) is none.

**Weights.** torchvision's way is the common one: a URL in a table (``model_urls``) or in a
``Weights(url=...)``, in the module that defines the entry point. So what an entry point leads to is
followed from name to name and from module to module, and the URLs on the way are its weights; if
there are none, those that the modules on the way name anywhere. Of a table of URLs only the entries
count whose keys are spelled out on the way, or begin with the name of the entry point; all of them,
if that fits none.

**Limits.** Number and size of the sources are bounded; one that Python cannot read (Python 2, a
syntax error, nested beyond all measure) counts as missing.

Source: torch/hub.py (``list``, ``load``) of PyTorch 2.x.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from ptmtorrent.hubs.reading.pysource import LONGEST, Link, Module, Name, Table, Unit, read_source

MOST_READS = 300
"""Files asked for; most are not there."""
MOST_BYTES = 2 * 2**20
"""Of all sources that are read for one package."""
LARGEST = 2**18
"""A syntax tree takes up to a thousand times the memory of its source."""
MOST_ENTRY_POINTS = 1000
MOST_WEIGHTS = 500

_SUFFIXES = (
    *(".pth", ".pt", ".pth.tar", ".pyth", ".th", ".t7", ".onnx", ".bin", ".ckpt", ".safetensors"),
    *(".h5", ".pkl", ".jit", ".tar", ".tar.gz", ".tgz", ".zip", ".caffemodel", ".weights"),
)
_URL = re.compile(r"https://[\x21-\x7e]{1,2000}")


@dataclass(frozen=True, slots=True)
class Weight:
    """A URL of a weight file, and the path of the source that names it."""

    url: str
    place: str


@dataclass(frozen=True, slots=True)
class Hubconf:
    """What a repository's ``hubconf.py`` says.

    Attributes:
        entry_points: what it offers to load, in its order.
        dependencies: packages it says it needs.
        weights: the weight files that the wanted entry points lead to.
    """

    entry_points: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    weights: tuple[Weight, ...] = ()


def read_hubconf(read: Callable[[str], bytes | None], wanted: Iterable[str]) -> Hubconf:
    """Read ``hubconf.py`` and the modules that its entry points come from. Never raises.

    Args:
        read: the content of a file of the repository, or None.
        wanted: entry points whose weights are asked for; if the file offers none of them, the
            weights of all that it offers.
    """
    library = _Library(read)
    hubconf = library.module("hubconf")
    if hubconf is None:
        return Hubconf()
    names = (name for name in library.offered(hubconf) if len(name) <= LONGEST)
    offered = tuple(dict.fromkeys(names))[:MOST_ENTRY_POINTS]
    entries = tuple(name for name in wanted if name in offered) or offered
    dependencies = tuple(dict.fromkeys(hubconf.dependencies))
    return Hubconf(offered, dependencies, library.weights(hubconf, entries))


def is_weight(text: str) -> bool:
    """Whether a text is the https URL of a file that looks like weights, with no login in it."""
    try:
        parts = urlsplit(text) if _URL.fullmatch(text) else None
    except ValueError:
        return False
    return parts is not None and "@" not in parts.netloc and parts.path.endswith(_SUFFIXES)


class _Library:
    """The modules of a repository, each read once and within the limits."""

    def __init__(self, read: Callable[[str], bytes | None]) -> None:
        self._read = read
        self._reads = MOST_READS
        self._bytes = MOST_BYTES
        self._modules: dict[str, Module | None] = {}

    def module(self, dotted: str) -> Module | None:
        """The module of a dotted name; None when the repository has none that can be read."""
        if dotted not in self._modules:
            base = dotted.replace(".", "/")
            paths = (f"{base}.py", f"{base}/__init__.py") if base else ()
            self._modules[dotted] = next(filter(None, map(self._source, paths)), None)
        return self._modules[dotted]

    def _source(self, path: str) -> Module | None:
        if self._reads <= 0:
            return None
        self._reads -= 1
        source = self._read(path)
        if source is None or len(source) > min(LARGEST, self._bytes):
            return None
        self._bytes -= len(source)
        return read_source(path, source, is_weight)

    def offered(self, hubconf: Module) -> Iterator[str]:
        """The public callables of ``hubconf.py``, as far as they are of this repository."""
        for name, link in hubconf.offers.items():
            if link is None or self._is_callable(link):
                yield name
        for star in filter(None, map(self.module, hubconf.stars)):
            yield from star.offers

    def _is_callable(self, link: Link) -> bool:
        place = self._follow(link, ())
        return place is not None and (place[1] in place[0].offers or place[1] not in place[0].units)

    def weights(self, hubconf: Module, entries: tuple[str, ...]) -> tuple[Weight, ...]:
        """The weight files that entry points lead to; else those that their modules name."""
        reached = list(self._reached(hubconf, entries))
        words = frozenset[str]().union(*(unit.words for _, unit in reached))
        own = tuple((module.path, unit) for module, unit in reached)
        modules = {module.path: module for module in (hubconf, *(one for one, _ in reached))}
        around = (
            (path, unit)
            for path, module in modules.items()
            for units in module.units.values()
            for unit in units
        )
        return _named(own, words, entries) or _named(around, words, entries)

    def _reached(self, hubconf: Module, entries: tuple[str, ...]) -> Iterator[tuple[Module, Unit]]:
        """Every statement that the entry points lead to, once, with the module it is in."""
        todo = [(hubconf, name) for name in reversed(entries)]
        seen: set[tuple[str, str] | int] = set()
        while todo:
            module, name = todo.pop()
            if (module.path, name) in seen:
                continue
            seen.add((module.path, name))
            todo += self._places(module, (name,))
            for unit in module.units.get(name, ()):
                if id(unit) not in seen:
                    seen.add(id(unit))
                    yield module, unit
                    for mention in sorted(unit.mentions):
                        todo += self._places(module, mention)

    def _places(self, module: Module, mention: Name) -> Iterator[tuple[Module, str]]:
        """Where the things are that a mention in a module may stand for."""
        head, link = mention[0], module.links.get(mention[0])
        place = self._follow(link, mention[1:]) if link is not None else None
        if place is not None:
            yield place
        if head in module.units:
            yield module, head
        elif link is None:
            yield from ((star, head) for star in map(self.module, module.stars) if star)

    def _follow(self, link: Link, tail: Name) -> tuple[Module, str] | None:
        """The module of this repository, and the name in it, that an imported name stands for."""
        dotted, module = link.module, self.module(link.module)
        names = tail[link.skip :] if link.name is None else (link.name, *tail)
        if module is None and link.name is None:
            return None
        for name in names:
            if module is not None and (name in module.units or name in module.links):
                return module, name
            dotted = f"{dotted}.{name}".lstrip(".")
            inner = self.module(dotted)
            if inner is None:
                return None if module is None else (module, name)
            module = inner
        return None


def _named(
    units: Iterable[tuple[str, Unit]], words: frozenset[str], entries: tuple[str, ...]
) -> tuple[Weight, ...]:
    """The weight files that statements name, each with the path of its source."""
    found = (
        Weight(url, path)
        for path, unit in units
        for table in unit.tables
        for url in _chosen(table, words, entries)
    )
    return tuple(dict.fromkeys(found))[:MOST_WEIGHTS]


def _chosen(table: Table, words: frozenset[str], entries: tuple[str, ...]) -> list[str]:
    """The URLs of a table that belong to the entry points; all, when that cannot be told."""
    own = [url for key, url in table if key and (key in words or key.startswith(entries))]
    return own or [url for _, url in table]
