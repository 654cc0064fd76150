"""Papers that a text names by a link to arXiv or to a DOI."""

import re

from ptmtorrent.model.package import Paper

_LINK = re.compile(
    r"arxiv\.org/(?:abs|pdf)/(?P<arxiv>[0-9]{4}\.[0-9]{4,5}|[a-z-]{2,20}(?:\.[A-Z]{2})?/[0-9]{7})"
    r"|doi\.org/(?P<doi>10\.[0-9]{4,9}/[^\s\"'<>{}\[\]()]{1,200})"
)


def papers_in(text: str) -> tuple[Paper, ...]:
    """The papers a text links to, each once, in the order they come; versions are left away."""
    found = (
        Paper("arxiv", match["arxiv"])
        if match["arxiv"]
        else Paper("doi", match["doi"].rstrip(".,;:!?*_").lower())
        for match in _LINK.finditer(text)
    )
    return tuple(dict.fromkeys(found))
