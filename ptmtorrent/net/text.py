"""Text that may be shown: no secrets, no control characters."""

import re

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_SEQUENCE = re.compile(
    r"(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
)
_USER_INFO = re.compile(r"(?<=://)[^/?#\s]*@")
_QUERY = re.compile(r"(https?://[^\s?#'\"]*)[?#][^\s'\"]*", re.IGNORECASE)


def printable(text: str) -> str:
    """``text`` without terminal sequences and control characters (newlines and tabs stay)."""
    return _CONTROL.sub("", _SEQUENCE.sub("", text))


def safe_text(text: str) -> str:
    """``text`` made printable, its URLs without user info, query and fragment."""
    return _QUERY.sub(r"\1", _USER_INFO.sub("", printable(text)))


def safe_url(url: str) -> str:
    """A URL for messages: no user info, no query, no fragment, nothing odd, at most 300 long."""
    return safe_text(url.split("?", 1)[0].split("#", 1)[0])[:300]
