"""What standard output refuses, told from what everything else does."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from ptmtorrent.errors import OutputError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


@contextmanager
def printing() -> Iterator[None]:
    """OutputError where there is no room for what the block writes; it does nothing else."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise OutputError(f"the output cannot be written: {error.strerror}") from error
