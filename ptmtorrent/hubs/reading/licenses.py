"""Licences as SPDX identifiers (spdx.org/licenses): by the names that hubs use, or by their text.

Only names whose meaning is one SPDX licence are here; families and house licences (``cc``,
``gpl``, ``llama3``, ``openrail``, ``other``) have none and stay NULL. So does a text that holds
several licences, or takes back in its own words what the licence gives.
"""

import re

from ptmtorrent.model.text import clean

_SPDX = (
    "AFL-3.0 AGPL-3.0 Apache-2.0 Artistic-2.0 BSD-2-Clause BSD-3-Clause BSD-3-Clause-Clear BSL-1.0"
    " CC-BY-2.0 CC-BY-2.5 CC-BY-3.0 CC-BY-4.0 CC-BY-NC-2.0 CC-BY-NC-3.0 CC-BY-NC-4.0"
    " CC-BY-NC-ND-3.0 CC-BY-NC-ND-4.0 CC-BY-NC-SA-2.0 CC-BY-NC-SA-3.0 CC-BY-NC-SA-4.0 CC-BY-ND-4.0"
    " CC-BY-SA-3.0 CC-BY-SA-4.0 CC0-1.0 CDLA-Permissive-1.0 CDLA-Permissive-2.0 CDLA-Sharing-1.0"
    " ECL-2.0 EPL-1.0 EPL-2.0 EUPL-1.1 EUPL-1.2 GFDL-1.3 GPL-2.0 GPL-3.0 ISC LGPL-2.1 LGPL-3.0"
    " LPPL-1.3c MIT MPL-2.0 MS-PL NCSA ODbL-1.0 ODC-By-1.0 OFL-1.1 OSL-3.0 PDDL-1.0 PostgreSQL"
    " Unlicense WTFPL Zlib"
)


def _table() -> dict[str, str]:
    table = {name.lower(): name for name in _SPDX.split()}
    table |= {"odbl": "ODbL-1.0", "odc-by": "ODC-By-1.0", "pddl": "PDDL-1.0"}
    return table | {"lgpl-lr": "LGPLLR", "unlicense": "Unlicense"}


SPDX = _table()

LONGEST_LINE = 500
"""Characters of a line that are kept."""

_REDISTRIBUTION = "redistribution and use in source and binary forms"
_HALLMARKS = {
    "MIT": re.compile(
        r"\bmit license\b|permission is hereby granted, free of charge,"
        r".{1,600} this permission notice shall be included"
    ),
    "Apache-2.0": re.compile(r"\bapache license,? version 2\.0"),
    "BSD-3-Clause": re.compile(rf"{_REDISTRIBUTION}(?=.*\bneither the name of\b)"),
    "BSD-2-Clause": re.compile(rf"{_REDISTRIBUTION}(?!.*\bneither the name of\b)"),
}
"""How the text of a licence can be told, in lower case and with single spaces."""

_CREATIVE_COMMONS = re.compile(r"creativecommons\.org/licenses/(by[a-z-]*)/([0-9]\.[0-9])")
_AND_MORE = re.compile(
    r"\bnon-?commercial|\bresearch (?:use |purposes? )?only|\bgeneral public license"
    r"|\ball advertising materials|\bno attribution|\bexcept as contained in this notice"
)
"""Words of other licences, and of conditions that are in none."""

_SPEAKS = re.compile("licen[cs]", re.IGNORECASE)
_SAYS_NOTHING = re.compile(r"#.*|\W*(?:licen[cs]es?\W*)?", re.IGNORECASE)


def spdx(name: str | None) -> str | None:
    """The SPDX identifier of a hub's licence name, or None when there is not exactly one."""
    return SPDX.get(name.strip().lower()) if name else None


def stated(text: str) -> str | None:
    """The line of a text that says under which licence something is, else its first one.

    Lines that begin with ``#`` are remarks, to whoever fills in a template; headings say nothing.
    """
    lines = [line.strip() for line in clean(text).splitlines()]
    said = [line for line in lines if not _SAYS_NOTHING.fullmatch(line)]
    line = next(filter(_SPEAKS.search, said), said[0] if said else None)
    return line[:LONGEST_LINE] if line else None


def spdx_of_text(text: str) -> str | None:
    """The SPDX identifier of the licence that a text is or names, or None when it is not one."""
    words = " ".join(text.lower().split())
    plain = {name for name, hallmark in _HALLMARKS.items() if hallmark.search(words)}
    if plain and _AND_MORE.search(words):
        return None
    creative = {spdx(f"cc-{kind}-{version}") for kind, version in _CREATIVE_COMMONS.findall(words)}
    found = plain | creative
    return found.pop() if len(found) == 1 else None
