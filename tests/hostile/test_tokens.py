"""A token is in memory and on its way to its own host; it is nowhere else, whatever happens."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from aiohttp import web, web_request
from events import waiting_for
from job import CLOCK, Job
from loopback import serve
from secrets_search import blobs_with, forms, found, places

from ptmtorrent.sandbox.generate import generate
from ptmtorrent.sandbox.world import World

pytestmark = pytest.mark.slow

HF, GITHUB = "hf_canaryA7f3e91bd2c", "ghp_canaryB55e0c4d7a1"
LOGIN, ADDRESS, ECHO = "hf_canaryC0d1e2f3a4b", "pwcanaryD9f8e7d6c5b", "hf_canaryE13579bdf02"
FORMS = {token: forms(token) for token in (HF, GITHUB, LOGIN, ADDRESS, ECHO)}


def test_a_secret_is_found_in_every_encoding(tmp_path):
    import base64
    import gzip

    for at, form in enumerate(FORMS[HF]):
        (tmp_path / f"{at}").write_bytes(b"xx" + form + b"yy")
    (tmp_path / "zipped").write_bytes(gzip.compress(HF.encode()))
    (tmp_path / "basic").write_bytes(base64.b64encode(f"x-access-token:{HF}".encode()))
    assert len(places(HF, tmp_path)) == len(FORMS[HF]) + 2
    assert places(LOGIN, tmp_path) == []


@dataclass
class Processes:
    """Arguments and environments of everything that runs below this process."""

    arguments: set[bytes] = field(default_factory=set)
    environments: dict[bytes, bytes] = field(default_factory=dict)
    gits: int = 0

    @contextmanager
    def sampled(self):
        stop = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(stop,))
        watcher.start()
        try:
            yield self
        finally:
            stop.set()
            watcher.join()

    def _watch(self, stop: threading.Event) -> None:
        while not stop.wait(0.01):
            for pid in _below(os.getpid()):
                with suppress(OSError):
                    words = Path(f"/proc/{pid}/cmdline").read_bytes()
                    self.gits += b"fetch" in words
                    if words not in self.arguments:
                        self.environments[words] = Path(f"/proc/{pid}/environ").read_bytes()
                    self.arguments.add(words)


def _below(pid: int) -> list[int]:
    pids = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, task.read_text().split()):
                pids += [child, *_below(child)]
    return pids


@pytest.fixture
def job(tmp_path: Path) -> Job:
    job = Job(tmp_path / "root", tmp_path / "world", all_hubs=True)
    generate(job.world, packages=3)
    replace(World.load(job.world), token=HF).save(job.world)
    return job


@pytest.fixture
def received(monkeypatch) -> list[tuple[str, str]]:
    """Host and credentials of every request that any server of this process was sent."""
    seen: list[tuple[str, str]] = []
    begin = web_request.BaseRequest.__init__

    def noted(self, message, *args, **kwargs):
        told = " ".join(f"{name}: {value}" for name, value in message.headers.items())
        seen.append((message.headers.get("Host", ""), f"{message.path} {told}"))
        begin(self, message, *args, **kwargs)

    monkeypatch.setattr(web_request.BaseRequest, "__init__", noted)
    return seen


def told(job: Job, words: list[str], **environment: str) -> str:
    """Everything a command prints and logs."""
    log = job.root.parent / "logs" / f"{len(list((job.root.parent / 'logs').iterdir()))}.log"
    code, out, err = job.end(*words, "--log-file", str(log), **environment)
    assert "Traceback" not in err, err
    return f"{words[0]} {code}\n{out}\n{err}"


def commands(job: Job) -> list[list[str]]:
    known = subprocess.run(
        [sys.executable, "-m", "ptmtorrent", "--help"], capture_output=True, text=True, check=True
    ).stdout
    later = {
        "verify": ["verify"], "gc": ["gc"], "diff": ["diff", CLOCK[:10], CLOCK[:10]],
        "restore": ["restore", "huggingface:x/y", str(job.root.parent / "restored")],
    }  # fmt: skip
    return [
        ["plan", "--depth", "full"], ["list"], ["fetch", "--depth", "full"], ["build"],
        ["snapshot", "--depth", "full", "--new", "--json"], ["status", "--json"], ["doctor"],
        ["query", "SELECT * FROM attempts"], ["query", "SELECT * FROM packages"],
        ["get", "huggingface:no/such", "config.json"],
        *(words for name, words in later.items() if f"\n    {name} " in known),
    ]  # fmt: skip


@pytest.mark.parametrize("source", ["environment", "login"])
def test_no_command_leaves_a_token_anywhere(job, tmp_path, received, source):
    home = tmp_path / "home"
    (home / "hf").mkdir(parents=True)
    (tmp_path / "logs").mkdir()
    secrets = {"HF_TOKEN": HF, "GITHUB_TOKEN": GITHUB}
    token = HF
    if source == "login":
        (home / "hf/token").write_text(LOGIN)
        replace(World.load(job.world), token=LOGIN).save(job.world)
        secrets, token = {"HF_HOME": str(home / "hf"), "GITHUB_TOKEN": GITHUB}, LOGIN
    processes, output = Processes(), ""
    with job.served() as box, processes.sampled():
        wanted = commands(job) if source == "environment" else commands(job)[1:3]
        for words in wanted:
            output += told(job, words, **secrets)
    if source == "login":
        (home / "hf/token").unlink()
    assert processes.gits > 0
    sent = [host for host, text in received if found(FORMS[token], text.encode())]
    assert sent, "the token was used"
    assert {f"http://{host}" for host in sent} <= {box.endpoints["huggingface"]}
    at_github = {box.endpoints["github_git"], box.endpoints["github_api"]}
    sent = [host for host, text in received if found(FORMS[GITHUB], text.encode())]
    assert {f"http://{host}" for host in sent} <= at_github
    for one in (token, GITHUB):
        assert not found(FORMS[one], output.encode())
        assert not any(found(FORMS[one], words) for words in processes.arguments)
        hits = places(one, job.root, tmp_path / "logs", home)
        assert hits == []
        assert blobs_with(one, job.root) == []
    for words, environment in processes.environments.items():
        first, *rest = words.split(b"\0")
        is_reader = first.endswith(b"git") and not {b"cat-file", b"log"}.isdisjoint(rest)
        assert not is_reader or not found(FORMS[token], environment), words


def test_a_demo_does_not_take_the_users_tokens_along(tmp_path):
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "HF_TOKEN": HF,
        "GITHUB_TOKEN": GITHUB,
    }
    processes = Processes()
    with processes.sampled():
        done = subprocess.run(
            [sys.executable, "-m", "ptmtorrent", "demo", str(tmp_path / "demo")],
            cwd=tmp_path, env=environment, capture_output=True, check=False, timeout=100,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for token in (HF, GITHUB):
        assert not found(FORMS[token], done.stdout + done.stderr)
        assert not any(found(FORMS[token], words) for words in processes.arguments)
        assert places(token, tmp_path) == []


def test_a_killed_run_leaves_no_token(job, tmp_path):
    processes = Processes()
    with job.served(rtt_ms=20), processes.sampled():
        process = job.start("snapshot", "--depth", "full", HF_TOKEN=HF, GITHUB_TOKEN=GITHUB)
        job.until(lambda: job.items("visit", "done") >= 1, process)
        with waiting_for(_below(process.pid), 10):
            process.send_signal(signal.SIGKILL)
            process.communicate()
    for token in (HF, GITHUB):
        assert places(token, job.root) == []
        assert not any(found(FORMS[token], words) for words in processes.arguments)


BUG = """
import sys
from ptmtorrent.cli import main
from ptmtorrent.net import courier
def broken(request, url, tokens):
    secret = tokens.header_for(url)
    raise RuntimeError(f"a bug near {tokens!r} of {request!r}")
courier.hop_headers = broken
sys.exit(main(sys.argv[1:]))
"""


def test_an_internal_error_with_its_traceback_shows_no_token(job, tmp_path):
    log = tmp_path / "run.log"
    with job.served():
        place = ["--root", str(job.root), "--config", str(job.config), "--log-file", str(log)]
        done = subprocess.run(
            [sys.executable, "-c", BUG, *place, "list"],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "HF_TOKEN": HF},
            cwd=tmp_path, capture_output=True, check=False, timeout=60,
        )  # fmt: skip
    assert done.returncode == 1
    assert "a bug near" in log.read_text()
    assert "Traceback" in log.read_text()
    assert not found(FORMS[HF], done.stdout + done.stderr)
    assert places(HF, job.root) == places(HF, tmp_path / "home") == []
    assert not found(FORMS[HF], log.read_bytes())


def echo(way: str, canary: str):
    """A hub that gives back what it was sent."""

    async def answer(request: web.Request) -> web.StreamResponse:
        word = request.headers.get("Authorization", "none").rpartition(" ")[2]
        record = {"_id": "6" * 24, "id": "meadow/bird", "tags": [word], "sha": "1" * 40}
        plain = {**record, "tags": []}
        if way == "redirect":
            return web.Response(status=302, headers={"Location": f"{canary}/{word}"})
        if way == "error":
            head = {"X-Error-Message": f"bad {word}", "X-Error-Code": "x"}
            return web.Response(status=403, text=f"no {word}", headers=head)
        if way == "next":
            link = f'<{request.url.origin()}/api/models?token={word}>; rel="next"'
            return web.json_response([plain], headers={"Link": link})
        if request.path.startswith("/api/models") and way == "git":
            return web.json_response([plain])
        if way == "git":
            return web.Response(status=401, text=f"who is {word}?")
        return web.json_response([record])

    return answer


ONE_HUB = """
hubs.modelhub.enabled = false
hubs.modelzoo.enabled = false
hubs.pytorchhub.enabled = false
hubs.onnxmodelzoo.enabled = false
hubs.huggingface.endpoint = "{base}"
network.allow_private = true
"""


@pytest.mark.parametrize("way", ["record", "error", "next", "redirect", "git"])
async def test_a_server_that_repeats_a_token_is_not_believed_and_nothing_is_kept(
    way, tmp_path, canary
):
    async with serve(echo(way, canary.base)) as server:
        config = tmp_path / "settings.toml"
        config.write_text(ONE_HUB.format(base=server.base))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ptmtorrent", "--root", str(tmp_path / "root"),
            "--config", str(config), "--log-file", str(tmp_path / "log"), "snapshot", "--json",
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "HF_TOKEN": ECHO}, cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await asyncio.wait_for(process.communicate(), 60)
        assert any(
            found(FORMS[ECHO], head.get("Authorization", "").encode()) for _, head in server.seen
        )
    assert process.returncode in (0, 3, 5), err
    assert not found(FORMS[ECHO], out + err)
    assert places(ECHO, tmp_path) == []
    assert blobs_with(ECHO, tmp_path / "root") == []
    assert canary.connections() == 0


def test_a_secret_in_the_address_of_an_endpoint_is_refused_and_not_shown(tmp_path):
    config = tmp_path.with_name(tmp_path.name + ".toml")
    config.write_text(f'[hubs.huggingface]\nendpoint = "https://user:{ADDRESS}@huggingface.co"\n')
    done = subprocess.run(
        [sys.executable, "-m", "ptmtorrent", "--config", str(config), "--log-file", "log", "list"],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        cwd=tmp_path, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert not found(FORMS[ADDRESS], done.stdout + done.stderr)
    assert places(ADDRESS, tmp_path) == []
