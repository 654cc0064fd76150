"""The check-up names what is wrong, ends soon, changes nothing, and tells no token."""

import asyncio
import errno
import io
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, redirect_stdout
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

import pytest
from aiohttp import web

from ptmtorrent.app import machine
from ptmtorrent.app.context import load_settings
from ptmtorrent.app.doctor import examine, exit_code, inquiry_of
from ptmtorrent.app.hosts import (
    PATIENCE_S,
    Inquiry,
    Place,
    ahead_s,
    judge_clock,
    look_at_network,
)
from ptmtorrent.app.machine import FEW_BYTES, FEW_INODES, file_system_of, look_at_machine
from ptmtorrent.app.session import LOW_WATER_BYTES, LOW_WATER_INODES
from ptmtorrent.console.health import COLUMNS, Finding, State, show_health, verdict
from ptmtorrent.console.terminal import Console
from ptmtorrent.hubs import GIT_HOSTS
from ptmtorrent.hubs.base import GitHost, Quota, WhoAmI
from ptmtorrent.net.access import Access
from ptmtorrent.sandbox.generate import generate
from ptmtorrent.sandbox.serve import Sandbox, sandbox_in_thread
from ptmtorrent.settings import GithubSettings, NetworkSettings, Settings
from ptmtorrent.store.root import FORMAT, Space, open_root

HUB, OTHER, THIRD = "https://hub.example", "https://other.example", "https://third.example"
TOKEN = "tok_canary_6f1d"
AGENT = "ptmtorrent/test"
OK, WARN, BAD, UNKNOWN = State.OK, State.WARN, State.BAD, State.UNKNOWN
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def read_name(record: Mapping[str, object]) -> tuple[str | None, Quota | None]:
    name = record.get("name")
    return (name if isinstance(name, str) else None), None


HOST = GitHost(
    id="hub",
    base=HUB,
    bases=(HUB,),
    forge=lambda *_: pytest.fail("nobody visits"),
    whoami=WhoAmI(url=f"{HUB}/whoami", source="HUB_TOKEN", read=read_name),
)


@asynccontextmanager
async def serve(handler: Handler) -> AsyncIterator[tuple[str, list[web.Request]]]:
    """A server on a free port: its base, and what it was asked."""
    seen: list[web.Request] = []

    async def record(request: web.Request) -> web.StreamResponse:
        seen.append(request)
        return await handler(request)

    runner = web.ServerRunner(web.Server(record), shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", seen
    finally:
        await runner.cleanup()


def answering(status: int = 200, body: object = None, **headers: str) -> Handler:
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def handle(request: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status, headers=named)

    return handle


async def silent(request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def ask(
    bases: Mapping[str, str],
    *places: Place,
    hosts: tuple[GitHost, ...] = (),
    token: str = "",
    patience_s: float = PATIENCE_S,
) -> dict[str, Finding]:
    access = Access.of(["hub.example"], bases, {HUB: token}, allow_private=True)
    inquiry = Inquiry(access=access, places=places, hosts=hosts, agent=AGENT, patience_s=patience_s)
    return {finding.check: finding for finding in await look_at_network(inquiry)}


def dead() -> str:
    return "http://127.0.0.1:9"


@pytest.mark.parametrize("status", [200, 204, 301, 403, 404])
async def test_a_hub_that_answers_anything_but_an_error_of_its_own_is_reached(status):
    async with serve(answering(status)) as (base, seen):
        found = await ask({HUB: base}, Place("zoo", HUB))
    assert (found["hub zoo"].state, len(seen)) == (OK, 1)
    assert str(status) in found["hub zoo"].found


@pytest.mark.parametrize(
    ("status", "headers", "state"),
    [(500, {}, BAD), (503, {}, BAD), (503, {"Retry_After": "9"}, WARN), (429, {}, WARN)],
)
async def test_a_hub_in_trouble_is_asked_once_and_told_from_one_that_says_not_now(
    status, headers, state
):
    async with serve(answering(status, **headers)) as (base, seen):
        found = await ask({HUB: base}, Place("zoo", HUB))
    assert (found["hub zoo"].state, len(seen)) == (state, 1)
    assert ("the server answered" in found["hub zoo"].found) == (state is BAD)


async def test_a_redirect_to_where_we_do_not_go_is_an_answer_and_is_not_followed():
    async with serve(answering()) as (elsewhere, seen):
        there = elsewhere.replace("127.0.0.1", "elsewhere.example")
        async with serve(answering(302, Location=there)) as (base, _):
            found = await ask({HUB: base}, Place("zoo", HUB))
    assert (found["hub zoo"].state, seen) == (OK, [])


async def test_a_hub_that_does_not_answer_is_temporary_and_an_optional_one_does_not_count():
    places = Place("zoo", HUB), Place("park", OTHER, optional=True)
    found = await ask({HUB: dead(), OTHER: dead()}, *places)
    assert [found[check].state for check in ("hub zoo", "hub park")] == [BAD, WARN]
    assert found["hub zoo"].found == "not reached: ClientConnectorError"
    assert exit_code(list(found.values())) == 5
    assert exit_code([found["hub park"], found["clock"]]) == 0
    assert found["clock"].state is UNKNOWN


async def test_hosts_that_hang_are_waited_for_together_and_not_for_long():
    bases = (HUB, OTHER, THIRD)
    async with serve(silent) as (base, _):
        started = time.monotonic()
        found = await ask(
            dict.fromkeys(bases, base),
            *(Place(at, at) for at in bases),
            hosts=(HOST,),
            patience_s=1,
        )
        took = time.monotonic() - started
    assert {f.found for f in found.values()} == {"no answer in 1 s", "no hub told the time"}
    assert took < 3.5  # one after the other they would take 4
    assert PATIENCE_S <= 10


async def test_hubs_of_one_host_cost_one_request():
    async with serve(answering()) as (base, seen):
        found = await ask({HUB: base}, Place("zoo", HUB), Place("park", HUB))
    assert (found["hub zoo"].state, found["hub park"].state, len(seen)) == (OK, OK, 1)


async def test_an_endpoint_that_may_not_be_asked_is_a_matter_of_settings_and_gets_no_packet():
    async with serve(answering()) as (base, seen):
        access = Access.of([], {HUB: base})
        inquiry = Inquiry(access=access, places=[Place("zoo", HUB)], hosts=(), agent=AGENT)
        findings = await look_at_network(inquiry)
    assert (exit_code(findings), seen) == (2, [])


async def test_a_name_that_leads_to_a_private_address_is_no_hub(monkeypatch):
    async def lie(self: object, host: str, port: int, family: object) -> list[dict[str, object]]:
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": 2}]

    monkeypatch.setattr("aiohttp.resolver.ThreadedResolver.resolve", lie)
    access = Access.of(["hub.example"])
    inquiry = Inquiry(access=access, places=[Place("zoo", HUB)], hosts=(), agent=AGENT)
    found = (await look_at_network(inquiry))[0]
    assert found.state is BAD
    assert "not public" in found.found


def limits(left: int) -> dict[str, str]:
    return {"RateLimit": f'"api";r={left};t=60', "RateLimit_Policy": '"w";"api";q=500;w=300'}


async def test_an_accepted_token_is_told_with_its_name_and_its_measured_quota():
    async with serve(answering(200, {"name": "wren"}, **limits(480))) as (base, seen):
        found = await ask({HUB: base}, hosts=(HOST,), token=TOKEN)
    told = found["token hub.example"]
    assert told.state is OK
    assert told.found == "accepted, as wren; 480 of 500 requests left (api), resets in 1 min 0 s"
    assert seen[0].headers["Authorization"] == f"Bearer {TOKEN}"


async def test_without_a_token_the_quota_of_anybody_is_told_and_where_one_would_go():
    async with serve(answering(401, {"error": "who?"}, **limits(7))) as (base, _):
        found = await ask({HUB: base}, hosts=(HOST,))
    told = found["token hub.example"]
    assert (told.state, exit_code([told])) == (OK, 0)
    assert told.found.startswith("none; 7 of 500 requests left")
    assert "HUB_TOKEN" in told.advice


@pytest.mark.parametrize(
    ("status", "headers"), [(200, limits(0)), (429, {}), (403, {"Retry_After": "60"})]
)
async def test_a_quota_that_is_used_up_is_worth_a_look(status, headers):
    async with serve(answering(status, {}, **headers)) as (base, _):
        found = await ask({HUB: base}, hosts=(HOST,), token=TOKEN)
    assert found["token hub.example"].state is WARN


async def test_a_wrong_token_is_named_and_another_trouble_is_not_taken_for_one():
    for status, state, code in ((401, BAD, 2), (404, UNKNOWN, 0), (500, UNKNOWN, 0)):
        async with serve(answering(status, {"name": "wren"})) as (base, _):
            found = await ask({HUB: base}, hosts=(HOST,), token=TOKEN)
        told = found["token hub.example"]
        assert (told.state, exit_code([told])) == (state, code)
        assert "accepted, as" not in told.found


@pytest.mark.parametrize("status", [200, 401, 429, 500])
async def test_no_token_is_shown_even_where_a_host_says_it_back(status, caplog):
    echo = {"name": f"x{TOKEN} " + "y" * 500 + TOKEN, "error": TOKEN}
    headers = {"RateLimit": f'"{TOKEN}";r=1;t=2', "X_Error_Message": TOKEN}
    async with serve(answering(status, echo, **headers)) as (base, seen):
        found = await ask({HUB: base}, Place("zoo", HUB), hosts=(HOST,), token=TOKEN)
    assert any(request.headers.get("Authorization") for request in seen)
    shown = [shown_by(list(found.values()), as_json=as_json) for as_json in (True, False)]
    assert TOKEN not in "".join([*shown, str(found), caplog.text])
    assert max(len(finding.found) for finding in found.values()) <= 300


async def test_a_token_goes_to_its_own_host_alone():
    async with serve(answering()) as (home, _), serve(answering()) as (away, seen):
        await ask({HUB: home, OTHER: away}, Place("zoo", OTHER), hosts=(HOST,), token=TOKEN)
        headers = [request.headers for request in seen]
    assert headers
    assert not any(TOKEN in str(one) for one in headers)


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"[]", b"[" * 100_000, b'{"resources": {"core": []}}', b"<html>"]
)
async def test_who_am_i_may_be_answered_by_anything(body):
    async def handle(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type="application/json")

    known = [host for host in GIT_HOSTS if host.whoami]
    async with serve(handle) as (base, _):
        bases = {host.whoami.url.rsplit("/", 1)[0]: base for host in known}
        bases = {url.removesuffix("/api"): base for url in bases}
        found = await ask(bases, hosts=tuple(known))
    assert len(found) == len(known) + 1
    assert BAD not in {finding.state for finding in found.values()}


def test_known_hosts_read_their_own_answers():
    read = {host.base: host.whoami.read for host in GIT_HOSTS if host.whoami}
    core = {"limit": 60, "used": 3, "remaining": 57, "reset": 1_800_000_000}
    quota = Quota(57, 60, 1_800_000_000, "core")
    assert read["https://github.com"]({"resources": {"core": core}}) == (None, quota)
    assert read["https://github.com"]({"resources": {"core": {"limit": "x"}}}) == (None, None)
    assert read["https://huggingface.co"]({"type": "user", "name": "wren"}) == ("wren", None)
    assert read["https://huggingface.co"]({"name": ["wren"]}) == (None, None)


@pytest.mark.parametrize(
    ("ahead", "state"),
    [
        ([], UNKNOWN),
        ([None], UNKNOWN),
        ([0.4], OK),
        ([-30.0], OK),
        ([30.1], WARN),
        ([-30.1], WARN),
        ([300.0], WARN),
        ([300.1], BAD),
        ([-1e9], BAD),
        ([1e9, None, 3.0], OK),
    ],
)
def test_the_clock_is_judged_by_the_nearest_of_the_hubs(ahead, state):
    assert judge_clock(ahead).state is state


def test_the_time_of_an_answer_out_of_a_cache_is_its_date_and_its_age():
    date = "Sat, 21 Nov 2026 12:00:00 GMT"
    at = 1_795_262_400.0
    assert ahead_s({"date": date}, at + 40) == -40
    assert ahead_s({"date": date, "age": "40"}, at + 40) == 0
    for odd in ({}, {"date": "noon"}, {"date": date, "age": "-1"}, {"date": date, "age": "²"}):
        assert ahead_s(odd, at) is None


async def test_a_clock_that_is_an_hour_off_is_the_machines_fault():
    late = formatdate(time.time() + 3600, usegmt=True)
    async with serve(answering(200, Date=late)) as (base, _):
        found = await ask({HUB: base}, Place("zoo", HUB))
    assert (found["clock"].state, exit_code(list(found.values()))) == (BAD, 7)
    assert "behind" in found["clock"].found


@pytest.mark.parametrize(
    ("version", "state"),
    [
        ("2.39.0", OK),
        ("2.47.3", OK),
        ("3.0", OK),
        ("2.45.1.windows.1", OK),
        ("2.38.9", WARN),
        ("1.99", WARN),
        ("next", UNKNOWN),
    ],
)
def test_git_is_judged_by_its_version(version, state):
    assert machine.judge_git(version).state is state


async def test_a_machine_without_git_is_told_so(monkeypatch):
    monkeypatch.setattr("ptmtorrent.net.gitproc._PATH", "/nonexistent")
    found = await machine.look_at_git()
    assert (found.state, exit_code([found])) == (BAD, 7)
    assert found.advice == "install git"


@pytest.mark.parametrize(
    ("free_bytes", "free_inodes", "state"),
    [
        (FEW_BYTES, FEW_INODES, OK),
        (FEW_BYTES, None, OK),
        (FEW_BYTES - 1, None, WARN),
        (FEW_BYTES, FEW_INODES - 1, WARN),
        (LOW_WATER_BYTES, LOW_WATER_INODES, WARN),
        (LOW_WATER_BYTES - 1, FEW_INODES, BAD),
        (FEW_BYTES, LOW_WATER_INODES - 1, BAD),
        (0, 0, BAD),
    ],
)
def test_space_is_judged_by_what_a_run_needs(free_bytes, free_inodes, state):
    assert machine.judge_space(Space(free_bytes, free_inodes)).state is state


MOUNTS = r"""
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
22 21 0:5 / /dev rw - devtmpfs udev rw
30 21 0:40 / /srv rw master:1 propagate_from:2 - nfs4 nas:/export rw,vers=4.2
31 30 0:41 / /srv/my\040data rw - xfs /dev/sdb1 rw
32 21 0:42 / /twice rw - tmpfs tmpfs rw
33 32 8:2 / /twice rw - btrfs /dev/sdc1 rw
not a line at all
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/var/x", "ext4"),
        ("/srv", "nfs4"),
        ("/srv/root", "nfs4"),
        ("/srvx", "ext4"),
        ("/srv/my data/root", "xfs"),
        ("/twice/root", "btrfs"),
    ],
)
def test_a_path_is_on_the_deepest_and_newest_mount(path, kind):
    assert file_system_of(MOUNTS, path) == kind


@pytest.mark.parametrize(
    ("kind", "state"),
    [("ext4", OK), ("xfs", OK), ("overlay", OK)]
    + [(kind, WARN) for kind in ("nfs", "nfs4", "lustre", "gpfs", "beegfs", "9p", "cifs")]
    + [("fuse.sshfs", WARN), ("fuse", WARN), ("tmpfs", WARN)],
)
def test_a_file_system_that_may_not_keep_its_promises_is_worth_a_look(kind, state):
    line = f"21 1 8:1 / / rw - {kind} source rw"
    found = machine.judge_file_system(line, "/data")
    assert found.state is state
    assert kind in found.found


@pytest.mark.parametrize("mounts", [None, "", "21 1 8:1 / /elsewhere rw - ext4 a rw"])
def test_a_file_system_that_is_not_told_is_unknown(mounts):
    assert machine.judge_file_system(mounts, "/data").state is UNKNOWN


def looked_at(root: Path) -> dict[str, Finding]:
    return {finding.check: finding for finding in look_at_machine(root)}


def everything_in(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path): (path.lstat().st_ino, path.lstat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
    }


def test_where_no_root_is_yet_its_nearest_folder_is_tried_and_nothing_stays(tmp_path):
    found = looked_at(tmp_path / "deep/er/root")
    assert BAD not in {finding.state for finding in found.values()}
    assert "none yet" in found["root"].found
    assert list(tmp_path.iterdir()) == []


def test_a_root_is_looked_at_and_left_as_it_is(tmp_path):
    open_root(tmp_path / "root", create=True)
    before = everything_in(tmp_path / "root")
    found = looked_at(tmp_path / "root")
    assert everything_in(tmp_path / "root") == before
    assert {found[check].state for check in ("disk", "root", "privacy key", "writer")} == {OK}
    assert f"format {FORMAT}" in found["root"].found
    assert "0600" in found["privacy key"].found


def test_a_root_that_cannot_be_made_is_the_machines_fault(tmp_path):
    (tmp_path / "letter").write_text("dear")
    found = looked_at(tmp_path / "letter/root")
    assert (found["disk"].state, exit_code(list(found.values()))) == (BAD, 7)
    assert (tmp_path / "letter").read_text() == "dear"


@pytest.mark.skipif(os.geteuid() == 0, reason="this user may write anywhere")
def test_a_folder_that_may_not_be_written_to_is_bad(tmp_path):
    tmp_path.chmod(0o500)
    try:
        assert looked_at(tmp_path / "root")["disk"].state is BAD
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("call", ["link", "fsync", "mkdir", "replace"])
@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.EROFS, errno.EIO])
def test_what_the_disk_refuses_is_found_by_trying(tmp_path, monkeypatch, call, number):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        found = looked_at(tmp_path / "root")["disk"]
    assert (found.state, exit_code([found])) == (BAD, 7)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_other_things_is_no_place_for_a_root(tmp_path):
    (tmp_path / "letter").write_text("dear")
    assert looked_at(tmp_path)["root"].state is WARN


@pytest.mark.parametrize(("text", "code"), [('{"format": 99}', 2), ("{", 7), ("", 7)])
def test_a_root_that_this_version_cannot_use_is_bad(tmp_path, text, code):
    (tmp_path / "ptmtorrent.json").write_text(text)
    found = looked_at(tmp_path)["root"]
    assert (found.state, exit_code([found])) == (BAD, code)


def test_a_key_that_others_may_read_or_that_is_lost_is_told_and_never_shown(tmp_path):
    key = open_root(tmp_path / "root", create=True).layout.privacy_key
    key.chmod(0o644)
    told = looked_at(tmp_path / "root")["privacy key"]
    assert (told.state, told.advice) == (WARN, f"chmod 600 {key}")
    assert key.read_bytes().hex() not in str(told)
    for spoil in (
        lambda: key.write_bytes(bytes(32)),
        lambda: key.write_bytes(b"short"),
        key.unlink,
    ):
        spoil()
        lost = looked_at(tmp_path / "root")["privacy key"]
        assert (lost.state, exit_code([lost])) == (BAD, 7)
    assert not key.exists()


def test_a_run_that_is_writing_is_seen_and_not_disturbed(tmp_path):
    root = open_root(tmp_path / "root", create=True)
    with root.writing():
        held = root.layout.lock.read_bytes()
        assert f'"pid":{os.getpid()}' in looked_at(root.path)["writer"].found
        assert root.layout.lock.read_bytes() == held
    assert looked_at(root.path)["writer"].found == "none"
    with root.writing():
        pass


@pytest.mark.parametrize(
    ("codes", "code"), [([], 0), ([5], 5), ([5, 2], 2), ([2, 7, 5], 7), ([0], 0)]
)
def test_of_all_that_is_bad_the_gravest_decides(codes, code):
    findings = [Finding("x", BAD, "", exit_code=one) for one in codes]
    assert exit_code([*findings, Finding("y", WARN, "", exit_code=7)]) == code


def shown_by(findings: list[Finding], *, as_json: bool) -> str:
    with redirect_stdout(io.StringIO()) as out:
        show_health(Console(as_json=as_json), findings)
    return out.getvalue()


def test_json_is_a_line_a_finding_and_people_get_a_table_and_a_sentence():
    findings = [Finding("git", OK, "2.39.5"), Finding("disk", BAD, "\x1b[2Jfull", "free some", 7)]
    lines = [json.loads(line) for line in shown_by(findings, as_json=True).splitlines()]
    assert [set(line) for line in lines] == [set(COLUMNS)] * 2
    assert lines[1]["found"] == "\x1b[2Jfull"
    shown = shown_by(findings, as_json=False)
    assert "\x1b[2J" not in shown
    assert shown.splitlines()[-1] == "Bad: disk."
    assert all(word in shown for word in ("git", "2.39.5", "free some"))


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ("", "Nothing is bad."),
        ("ok", "Nothing is bad."),
        ("ok warn unknown", "Nothing is bad; worth a look: 1; could not tell: 2."),
        ("bad warn bad", "Bad: 0, 2; worth a look: 1."),
    ],
)
def test_the_verdict_names_what_is_not_well(states, said):
    findings = [Finding(str(at), State(word), "") for at, word in enumerate(states.split())]
    assert verdict(findings) == said


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("doctor") / "world"
    generate(directory, packages=12)
    return directory


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str]]:
    canaries = "hf_canary_8c1e", "ghp_canary_77ab"
    for name, value in zip(("HF_TOKEN", "GITHUB_TOKEN"), canaries, strict=True):
        monkeypatch.setenv(name, value)
    yield canaries


def settings_for(box: Sandbox) -> Settings:
    """Settings that lead every hub with an address of its own to the sandbox."""
    usual, at = load_settings(None), box.endpoints
    hubs = {
        hub: {**values, "endpoint": at.get(hub, at["huggingface"])}
        if "endpoint" in values
        else values
        for hub, values in usual.hubs.items()
    }
    github = GithubSettings(api=at["github_api"], raw=at["github_raw"], git=at["github_git"])
    return replace(usual, hubs=hubs, github=github, network=NetworkSettings(allow_private=True))


async def test_against_the_sandbox_wrong_tokens_are_the_only_trouble(world, tmp_path, tokens):
    with sandbox_in_thread(world) as box:
        settings = settings_for(box)
        findings = await examine(tmp_path / "root", settings, AGENT)
        asked = [json.loads(line) for line in box.requests.read_text().splitlines()]
    bad = {finding.check for finding in findings if finding.state is BAD}
    assert bad == {"token huggingface.co", "token api.github.com"}
    assert exit_code(findings) == 2
    assert not any(token in str(findings) for token in tokens)
    assert 0 < len(asked) <= len(findings)
    assert list(tmp_path.iterdir()) == []


async def test_offline_the_same_things_are_looked_at_and_only_hubs_are_bad(
    world, tmp_path, monkeypatch
):
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    monkeypatch.setenv("HF_TOKEN", "hf_canary_8c1e")
    with sandbox_in_thread(world) as box:
        settings = settings_for(box)
        online = await examine(tmp_path / "root", settings, AGENT)
    offline = await examine(tmp_path / "root", settings, AGENT)
    assert [finding.check for finding in offline] == [finding.check for finding in online]
    bad = {finding.check for finding in offline if finding.state is BAD}
    assert bad
    assert all(check.startswith("hub ") for check in bad)
    assert exit_code(offline) == 5


def test_a_hub_that_is_switched_off_is_not_asked_and_neither_is_its_token():
    settings = load_settings(None)
    hubs = {hub: {**values, "enabled": False} for hub, values in settings.hubs.items()}
    inquiry = inquiry_of(replace(settings, hubs=hubs), AGENT)
    assert inquiry.places == []
    assert [host.base for host in inquiry.hosts] == ["https://github.com"]
