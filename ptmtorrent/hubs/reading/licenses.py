"""Licence names that hubs use, as SPDX identifiers (spdx.org/licenses).

Only names whose meaning is one SPDX licence are here; families and house licences (``cc``,
``gpl``, ``llama3``, ``openrail``, ``other``) have none and stay NULL.
"""

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


def spdx(name: str | None) -> str | None:
    """The SPDX identifier of a hub's licence name, or None when there is not exactly one."""
    return SPDX.get(name.strip().lower()) if name else None
