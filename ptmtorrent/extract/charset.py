"""Text in a declared encoding.

The name of an encoding comes from the repository, so it only chooses from a table: codecs of
Python that run code, take quadratic time or yield lone surrogates are not in it.
"""

import re

_CODECS = {
    "utf8": "utf-8",
    "ascii": "ascii",
    "usascii": "ascii",
    "latin1": "iso8859-1",
    "latin2": "iso8859-2",
    "latin9": "iso8859-15",
    "gbk": "gb18030",
    "gb2312": "gb18030",
    "gb18030": "gb18030",
    "cp936": "gb18030",
    "big5": "big5",
    "cp950": "cp950",
    "shiftjis": "cp932",
    "sjis": "cp932",
    "cp932": "cp932",
    "windows31j": "cp932",
    "eucjp": "euc-jp",
    "iso2022jp": "iso2022-jp",
    "euckr": "cp949",
    "cp949": "cp949",
    "koi8r": "koi8-r",
    "koi8u": "koi8-u",
    **{f"iso8859{part}": f"iso8859-{part}" for part in (*range(1, 12), *range(13, 17))},
    **{f"cp{page}": f"cp{page}" for page in (437, 850, 852, 866, *range(1250, 1259))},
    **{f"windows{page}": f"cp{page}" for page in range(1250, 1259)},
}


def decode(raw: bytes, encoding: str | None) -> str:
    """``raw`` as text; an unknown or untrue encoding falls back to UTF-8 with U+FFFD."""
    codec = _CODECS.get(re.sub(r"[^a-z0-9]", "", (encoding or "utf8").lower()), "utf-8")
    try:
        return raw.decode(codec)
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace")
