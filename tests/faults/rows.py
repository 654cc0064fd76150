"""The corpus: what a server does to a download, and what must become of it."""

from bodies import bodies, framing
from elsewhere import links, pages, redirects, refusals
from heads import encodings, heads
from ranges import ranges

PARTS = {
    part.__name__: tuple(part())
    for part in (ranges, bodies, framing, heads, encodings, pages, redirects, links, refusals)
}
