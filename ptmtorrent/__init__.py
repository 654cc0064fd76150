"""ptmtorrent: a resumable dataset builder for pre-trained model packages.

``open`` is the way in from Python::

    import ptmtorrent as pt

    ds = pt.open("ptmtorrent-data")
    ds.sql("SELECT hub, count(*) FROM packages GROUP BY hub")
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ptmtorrent.query.dataset import Dataset

    __version__: str
else:

    def __getattr__(name):
        """``__version__``, looked up only when asked for: that takes longer than all else here."""
        if name != "__version__":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return import_module("importlib.metadata").version("ptmtorrent")


def open(root: str | Path, at: str | None = None) -> "Dataset":
    """The dataset of a root at a snapshot (the newest when None), with the bytes behind it.

    DuckDB and Arrow are loaded here and not before, so that importing the package is quick.
    """
    dataset: Dataset = import_module("ptmtorrent.app.contents").open_dataset(Path(root), at)
    return dataset
