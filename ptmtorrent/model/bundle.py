"""Several files as one page: a tar archive that holds each as received, and nothing else.

A hub that lists by files (cards, a manifest) has no page of its own; this is its page. Equal files
make equal bundles: no times, no owners, no modes. Bundles are read member by member and never
unpacked onto a disk. Format: POSIX.1-2001 (pax), so that names may be any bytes and any length.
"""

import io
import tarfile
from collections.abc import Iterable, Iterator

File = tuple[str, bytes]
"""A path (bytes that are not UTF-8 are surrogate escapes) and the content."""


def bundle(files: Iterable[File]) -> bytes:
    """Pack files, in the order they come."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, content in files:
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def unbundle(body: bytes) -> Iterator[File]:
    """The files of a bundle, in order.

    Raises:
        ValueError: it is none, or is cut off.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(body), mode="r:") as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content is None:
                    raise ValueError(f"a member that is no file: {member.name!r}")
                data = content.read()
                if len(data) != member.size:
                    raise ValueError("the bundle is cut off")
                yield member.name, data
    except (tarfile.TarError, OSError, EOFError, OverflowError) as error:
        raise ValueError(f"not a bundle of files: {error}") from error
