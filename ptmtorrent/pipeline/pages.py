"""Pages of listings: kept as they came, and read in outline."""

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Protocol, Self

from ptmtorrent.model.package import Outline, ParsedPage
from ptmtorrent.pipeline.kept import pack_page, read_page
from ptmtorrent.store.base import BlobStore

log = logging.getLogger(__name__)

PATIENCE_S = 5.0
"""How long a page that is read aside is waited for; it takes hundredths of that."""

Parsed = ParsedPage[Outline]
Reader = Callable[[bytes], Parsed]


class Aside(Protocol):
    """Reads pages of one hub beside us, on another processor, and finds what we would find."""

    def is_ready(self) -> bool:
        """Whether it takes a page now; to be asked before each page."""
        ...

    def read(self, body: bytes) -> Parsed:
        """The packages of a page; two threads may ask. OSError or EOFError: it is no more."""
        ...

    def give_up(self) -> None:
        """End it; whoever waits for an answer gets EOFError."""
        ...

    def close(self) -> None:
        """Let go of it, when nobody asks any more."""
        ...


class Pages:
    """Keeps pages in the store, and reads them there.

    The reading of a long listing is begun aside when a page is kept, so that it is done when the
    journal line is taken in. Whatever is not read aside is read here: nothing else depends on it.
    A context manager; leaving it ends what reads aside.
    """

    def __init__(
        self,
        store: BlobStore,
        readers: Mapping[str, Reader],
        asides: Mapping[str, Aside] | None = None,
    ) -> None:
        self._store = store
        self._readers = readers
        self._asides = asides or {}
        self._begun: dict[tuple[str, str], Future[Parsed]] = {}
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="aside")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for aside in self._asides.values():
            aside.give_up()
        self._threads.shutdown(cancel_futures=True)
        for aside in self._asides.values():
            aside.close()

    def keep(self, hub: str, body: bytes) -> str:
        """Put a page into the store; returns the name of its blob."""
        sha256 = self._store.put(pack_page(body))
        aside = self._asides.get(hub)
        if aside is not None and aside.is_ready():
            self._begun[hub, sha256] = self._threads.submit(aside.read, body)
        return sha256

    def read(self, hub: str, sha256: str) -> Parsed:
        """The packages of a kept page in outline, read by its hub's own pure reader.

        CorruptError when the page is lost.
        """
        begun = self._begun.pop((hub, sha256), None)
        try:
            if begun is not None:
                return begun.result(PATIENCE_S)
        except (EOFError, OSError) as error:
            log.warning("the process that reads pages of %s is lost: %r", hub, error)
            self._asides[hub].give_up()
        return self._readers[hub](read_page(self._store, sha256))
