r"""Names of files that anybody may have chosen, made names that no file system takes for more.

A name is one part of a path. It is escaped with ``%XX``, and only where it has to be:

* what leads elsewhere: ``.``, ``..``, nothing at all, ``/``, ``\``, a drive (``C:``);
* what git takes for its own folder: ``.git`` in any case, with code points that HFS+ ignores, in
  compatibility forms, with what NTFS drops behind it, and its 8.3 form ``git~1``
  (git's path.c ``is_ntfs_dotgit`` and utf8.c ``is_hfs_dotgit``);
* what some systems drop, refuse or take for a device: control characters, bytes that are not
  UTF-8, dots and blanks at the end, ``CON``, ``NUL``, ``COM1`` ... (Microsoft, "Naming Files,
  Paths, and Namespaces");
* what is too long: more than 255 bytes are cut, and end in a digest of the whole name.
"""

import hashlib
import re
import unicodedata

LONGEST = 255
"""Bytes that a name may have on every file system we know."""

_DIGEST_DIGITS = 16
_SEPARATORS = "/\\"
_DROPPED = " ."
_GIT = re.compile(r"\.git|git~[0-9]+")
_DRIVE = re.compile(r"[a-z]:")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9]) *(?:\..*)?", re.DOTALL)


def safe_name(name: bytes) -> bytes:
    """``name``, or what stands for it where it is not safe; never empty, at most 255 bytes."""
    text = name.decode("utf-8", "surrogateescape")
    ending = len(text.rstrip(_DROPPED))
    is_reserved = _is_reserved(text)
    safe = b"".join(
        _escaped(char)
        if at >= ending or _is_unsafe(char) or (is_reserved and at == 0)
        else char.encode()
        for at, char in enumerate(text)
    )
    return fitted(safe or b"%", name)


def fitted(safe: bytes, name: bytes, ending: bytes = b"") -> bytes:
    """``safe`` and ``ending`` in 255 bytes; a digest of ``name`` stands for what is cut."""
    if len(safe) + len(ending) <= LONGEST:
        return safe + ending
    tail = b"~" + hashlib.sha256(name).hexdigest()[:_DIGEST_DIGITS].encode() + ending
    return safe[: LONGEST - len(tail)].decode("utf-8", "ignore").encode() + tail


def _is_unsafe(char: str) -> bool:
    """Whether it is a separator somewhere, a control character, or a byte that is not UTF-8."""
    return char in _SEPARATORS or unicodedata.category(char) in ("Cc", "Cs")


def _escaped(char: str) -> bytes:
    return b"".join(b"%%%02X" % byte for byte in char.encode("utf-8", "surrogateescape"))


def _is_reserved(text: str) -> bool:
    """Whether some system takes the name for git's folder, a device or a drive."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    plain = "".join(char for char in folded if unicodedata.category(char) != "Cf")
    start = re.split(r"[:\\/]", plain, maxsplit=1)[0].rstrip(_DROPPED)
    is_special = _GIT.fullmatch(start) is not None or _DEVICE.fullmatch(start) is not None
    return is_special or _DRIVE.match(plain) is not None
