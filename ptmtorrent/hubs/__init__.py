"""One file per hub; none imports another. A new hub is one new file and one line here."""

from ptmtorrent.hubs.base import HubKind
from ptmtorrent.hubs.huggingface import HUGGINGFACE

HUBS: tuple[HubKind, ...] = (HUGGINGFACE,)
