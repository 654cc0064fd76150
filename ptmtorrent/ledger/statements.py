"""Named SQL: the ``.sql`` files of this folder as a mapping from name to statement."""

import re
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


@cache
def statements(file: str) -> dict[str, str]:
    """The statements of one file, by the ``-- name:`` line above each."""
    parts = _NAME.split(text_of(file))[1:]
    return {name: _body(sql) for name, sql in zip(parts[::2], parts[1::2], strict=True)}


def text_of(file: str) -> str:
    """The whole text of one ``.sql`` file."""
    return (files(__package__) / file).read_text("utf-8")


def _body(sql: str) -> str:
    """Without the comment lines that belong to the statement that follows."""
    return sql.split("\n\n", 1)[0].strip()
