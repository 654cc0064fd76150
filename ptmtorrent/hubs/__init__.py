"""One file per hub; none imports another. A new hub is one new file and one line here."""

from ptmtorrent.hubs.base import GitHost, HubKind
from ptmtorrent.hubs.github import GITHUB
from ptmtorrent.hubs.huggingface import HUGGINGFACE
from ptmtorrent.hubs.modelhub import MODELHUB
from ptmtorrent.hubs.modelzoo import MODELZOO
from ptmtorrent.hubs.onnxmodelzoo import ONNXMODELZOO
from ptmtorrent.hubs.pytorchhub import PYTORCHHUB

HUBS: tuple[HubKind, ...] = (HUGGINGFACE, MODELHUB, MODELZOO, PYTORCHHUB, ONNXMODELZOO)

GIT_HOSTS: tuple[GitHost, ...] = (
    GITHUB,
    *(kind.git_host for kind in HUBS if kind.git_host is not None),
)
"""Every host whose repositories can be fetched."""
