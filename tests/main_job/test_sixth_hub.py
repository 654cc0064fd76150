"""A sixth hub is one file and one line: added to a copy of the program, it comes out as rows."""

import json
import os
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import ptmtorrent as pt

ESTUARY = '''
"""Estuary, an invented hub: one JSON page at ``/birds.json``."""

import json

from ptmtorrent.hubs.base import HubKind
from ptmtorrent.hubs.github import origin_of_name
from ptmtorrent.model.package import (
    Answer, AnswerKind, ListedPage, Package, ParsedPage, Unparsed,
)

BASE = "https://estuary.example"


class Estuary:
    def __init__(self, transport):
        self._transport = transport

    def first_cursor(self, scope):
        return "/birds.json"

    async def page(self, cursor):
        response = await self._transport.get(BASE + cursor)
        return ListedPage(response.body, cursor, None)

    async def ask(self, name, package_id):
        return Answer(AnswerKind.GONE)


def parse(body):
    packages, unparsed = [], []
    for index, bird in enumerate(json.loads(body)):
        if "ring" in bird:
            packages.append((index, package_of(bird)))
        else:
            unparsed.append(Unparsed(index, "no ring"))
    return ParsedPage(tuple(packages), tuple(unparsed))


def package_of(bird):
    return Package(
        hub="estuary",
        package_id=bird["ring"],
        name=bird["name"],
        url=f"{BASE}/{bird['name']}",
        origin=origin_of_name(bird["code"]),
        task=bird["task"],
    )


ESTUARY = HubKind(
    id="estuary",
    title="Estuary",
    base=BASE,
    settings={"enabled": True, "endpoint": BASE},
    shape=(),
    parse=parse,
    build=lambda means, values: Estuary(means.transport),
    endpoints=lambda values: {BASE: str(values["endpoint"])},
)
'''
BIRDS = [
    {"ring": "r1", "name": "knot", "code": "quillmark/tern", "task": "detect"},
    {"ring": "r2", "name": "ruff", "code": "quillmark/nothing-here", "task": "count"},
    {"name": "a bird without a ring"},
]


class Birds(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(BIRDS).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Nothing: the test says what it wants to see."""


@pytest.fixture
def birds():
    """Base URL of the hub's server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Birds)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def program(repository, tmp_path):
    """A copy of the program with one file and one line more."""
    copy = tmp_path / "program"
    shutil.copytree(repository / "ptmtorrent", copy / "ptmtorrent")
    shutil.copytree(repository / "schemas", copy / "schemas")
    hubs = copy / "ptmtorrent/hubs"
    (hubs / "estuary.py").write_text(ESTUARY)
    text = (hubs / "__init__.py").read_text()
    text = text.replace(
        "HUBS: tuple[HubKind, ...] = (",
        "from ptmtorrent.hubs.estuary import ESTUARY\n\nHUBS: tuple[HubKind, ...] = (ESTUARY, ",
    )
    (hubs / "__init__.py").write_text(text)
    return copy


def test_it_comes_out_as_rows(program, birds, of_five, tmp_path):
    root, config = tmp_path / "birds", tmp_path / "estuary.toml"
    with of_five.served() as box:
        config.write_text(f'{box.config.read_text()}\n[hubs.estuary]\nendpoint = "{birds}"\n')
        words = ["--root", root, "--config", config, "--quiet", "snapshot", "--only", "estuary"]
        done = subprocess.run(
            [sys.executable, "-m", "ptmtorrent", *map(str, words)],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONPATH": str(program)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    with pt.open(root) as dataset:
        told = "SELECT name, package_id, task, origin, depth, reason FROM packages ORDER BY name"
        quillmark = "https://github.com/quillmark"
        assert dataset.sql(told).fetchall() == [
            ("knot", "r1", "detect", f"{quillmark}/tern", "full", None),
            ("ruff", "r2", "count", f"{quillmark}/nothing-here", "listing", "gone"),
        ]
        listing = "SELECT listed, unparsed, outcome FROM hubs WHERE hub = 'estuary'"
        assert dataset.sql(listing).fetchall() == [(2, 1, "complete")]
        [(commits,)] = dataset.sql("SELECT count(*) FROM commits").fetchall()
        assert commits > 0
