"""What may be asked: one SELECT, or an EXPLAIN of one. DuckDB's own parser decides.

The parser tells SELECT from the rest, but calls ``EXPLAIN ANALYZE COPY ...`` an EXPLAIN, and that
one runs the COPY (measured, DuckDB 1.5.5 and 2.0). So of an EXPLAIN, what is explained is parsed
again by itself and must be a SELECT too.
"""

import re

import duckdb

from ptmtorrent.errors import UsageError

_EXPLAIN = re.compile(
    r"""(?: \s | --[^\n]*\n | /\*.*?\*/ )*    # blanks and comments
        EXPLAIN \s+ (?: ANALYZE \s+ )?""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)


def check(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    """UsageError, with the reason, unless ``query`` is one SELECT or an EXPLAIN of one."""
    kind = _kind(connection, query)
    if kind == "EXPLAIN":
        prefix = _EXPLAIN.match(query)
        if prefix is None:
            raise UsageError("write EXPLAIN or EXPLAIN ANALYZE, and then a SELECT")
        kind = _kind(connection, query[prefix.end() :])
    if kind != "SELECT":
        raise UsageError(f"only SELECT and EXPLAIN of a SELECT can be asked, not {kind}")


def _kind(connection: duckdb.DuckDBPyConnection, query: str) -> str:
    try:
        statements = connection.extract_statements(query)
    except duckdb.Error as error:
        raise UsageError(str(error)) from error
    if not statements:
        raise UsageError("there is no statement to ask; write one SELECT or EXPLAIN")
    if len(statements) != 1:
        raise UsageError(f"ask one statement at a time, not {len(statements)}")
    return statements[0].type.name
