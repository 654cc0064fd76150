"""Text from outside, made safe to keep or to show."""

import re
import unicodedata

_SURROGATE = re.compile(r"[\ud800-\udfff]")


def clean(text: str) -> str:
    """``text`` as every sink takes it: lone surrogates become U+FFFD, NUL is dropped."""
    if text.isprintable():
        return text
    return _SURROGATE.sub("\ufffd", text).replace("\0", "")


def display(text: str) -> str:
    r"""``text`` as a terminal may show it: control, format and surrogate characters escaped.

    ``\x1b[2J`` cannot clear a screen and U+202E cannot turn a name round.
    """
    return "".join(
        char if unicodedata.category(char)[0] != "C" else char.encode("unicode_escape").decode()
        for char in text
    )
