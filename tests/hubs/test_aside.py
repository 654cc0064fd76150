"""Pages read by another process: what it finds is what we would find, and it ends when we do."""

import errno
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptmtorrent.hubs.aside import Aside
from ptmtorrent.hubs.huggingface import outline
from ptmtorrent.hubs.reading.outlines import from_bytes, to_bytes
from ptmtorrent.hubs.shapes.huggingface import SHAPE

PAGE = (Path(__file__).parent / "samples/page.json").read_bytes()
ODD = [
    b"no page at all",
    b'[{"_id": "\\ud800"}, 5, {"_id": "cut',
    json.dumps([{"\ud800": 1, "likes": 2**70} | r for r in json.loads(PAGE)]).encode(),
    b"[" + b" " * 3_000_000 + b"]",
]


def begun(after: int = 0) -> Aside:
    """A process that has said that it is ready."""
    aside = Aside("huggingface", after)
    assert not aside.is_ready()
    aside._there.poll(60)
    assert aside.is_ready()
    return aside


@pytest.fixture(scope="module")
def aside() -> Iterator[Aside]:
    aside = begun()
    yield aside
    aside.close()


@pytest.mark.parametrize("body", [PAGE, *ODD])
def test_what_it_finds_is_what_we_would_find(aside, body):
    found, ours = aside.read(body), outline(body)
    assert (found.packages, found.drift) == (ours.packages, ours.drift)
    assert [one.index for one in found.unparsed] == [one.index for one in ours.unparsed]


JSON = st.none() | st.booleans() | st.integers(-(2**65), 2**65) | st.floats() | st.text(max_size=8)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from([f.name for f in SHAPE]), JSON), max_size=4))
def test_outlines_come_back_as_they_went(changes):
    good = json.loads(PAGE)[0]
    page = outline(json.dumps([good | change for change in changes]).encode())
    assert from_bytes(to_bytes(page)) == page


def test_a_short_listing_begins_no_process():
    aside = Aside("huggingface", after=3)
    assert [aside.is_ready() for _ in range(3)] == [False] * 3
    assert aside._process is None
    aside.is_ready()
    assert aside._process is not None
    aside.close()


def test_it_has_no_token_and_no_signal_meant_for_us(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_canary")
    aside = begun()
    pid = aside._process.pid
    try:
        assert b"canary" not in Path(f"/proc/{pid}/environ").read_bytes()
        assert os.getpgid(pid) != os.getpgid(0)
    finally:
        aside.close()


def test_one_that_was_killed_is_not_asked_again():
    aside = begun()
    aside._process.kill()
    with pytest.raises((EOFError, OSError)):
        aside.read(PAGE)
    aside.give_up()
    assert not aside.is_ready()
    aside.close()
    with pytest.raises(EOFError):
        aside.read(PAGE)


def test_who_waits_for_one_that_hangs_is_freed_when_it_is_given_up():
    aside = begun()
    aside._process.send_signal(signal.SIGSTOP)
    with ThreadPoolExecutor(2) as threads:
        asked = [threads.submit(aside.read, PAGE) for _ in range(2)]
        aside.give_up()
        assert all(isinstance(one.exception(30), (EOFError, OSError)) for one in asked)
    aside.close()


def test_one_that_cannot_start_is_named(monkeypatch, caplog):
    monkeypatch.setattr("sys.executable", "/bin/false")
    aside = Aside("huggingface", after=0)
    assert not aside.is_ready()
    aside._there.poll(60)
    assert [aside.is_ready() for _ in range(2)] == [False] * 2
    assert caplog.text.count("did not start") == 1
    aside.close()


def test_where_no_process_can_be_had_there_is_none(monkeypatch, caplog):
    def refused(*_, **__):
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr("subprocess.Popen", refused)
    aside = Aside("huggingface", after=0)
    assert [aside.is_ready() for _ in range(3)] == [False] * 3
    assert caplog.text.count("no process to read pages") == 1
    aside.close()


def test_it_ends_when_we_are_killed():
    code = (
        "from ptmtorrent.hubs.aside import Aside; aside = Aside('huggingface', 0);"
        "aside.is_ready(); aside._there.poll(60); print(aside._process.pid, flush=True); input()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], text=True, **pipes) as parent:
        ended = os.pidfd_open(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
    assert select.select([ended], [], [], 30)[0], "it outlives the process that asked it"
    os.close(ended)
