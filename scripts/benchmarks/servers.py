"""What is talked to: the sandbox, git's http-backend behind nginx, and a hub of many records."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

HERE = Path(__file__).resolve().parent
_WAIT_S = 20.0
_BACKEND = Path("/usr/lib/git-core/git-http-backend")

_NGINX = """\
daemon off; worker_processes 1; user root; pid nginx.pid; error_log error.log warn;
events {{ worker_connections 256; }}
http {{
  access_log off; client_max_body_size 0; client_body_temp_path body; fastcgi_temp_path fcgi;
  proxy_temp_path proxy; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      fastcgi_pass unix:{folder}/fcgi.sock;
      fastcgi_param SCRIPT_FILENAME {backend};
      fastcgi_param GIT_PROJECT_ROOT {repositories};
      fastcgi_param GIT_HTTP_EXPORT_ALL "";
      fastcgi_param PATH_INFO $uri;
      fastcgi_param QUERY_STRING $query_string;
      fastcgi_param REQUEST_METHOD $request_method;
      fastcgi_param CONTENT_TYPE $content_type;
      fastcgi_param CONTENT_LENGTH $content_length;
      fastcgi_param HTTP_CONTENT_ENCODING $http_content_encoding;
      fastcgi_param GIT_PROTOCOL $http_git_protocol;
      fastcgi_param REMOTE_ADDR $remote_addr;
      fastcgi_buffering off; fastcgi_request_buffering off;
    }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Server:
    """Something that is up.

    Attributes:
        endpoint: scheme, host and port.
        pids: of its first processes, for the processor time of them and what they start.
        journal: where it writes its requests down, a JSON line each, if it does.
    """

    endpoint: str
    pids: tuple[int, ...] = ()
    journal: Path | None = None

    def seen(self) -> list[dict[str, Any]]:
        """Every request so far; nothing where it keeps no journal."""
        if self.journal is None:
            return []
        return [json.loads(line) for line in self.journal.read_text().splitlines()]


@contextmanager
def sandbox(world: Path, rtt_ms: int = 0) -> Iterator[Server]:
    """The sandbox of a world."""
    words = ["-m", "ptmtorrent", "sandbox", str(world), "--rtt-ms", str(rtt_ms)]
    with _python(words) as (process, ready):
        endpoint = ready["endpoints"]["huggingface"]
        yield Server(endpoint, (process.pid,), Path(ready["requests"]))


@contextmanager
def many_records(count: int) -> Iterator[Server]:
    """A hub that lists ``count`` packages and has nothing else."""
    with _python([str(HERE / "listing_server.py"), str(count)]) as (process, ready):
        yield Server(ready["endpoint"], (process.pid,))


def lacks_http_backend() -> bool:
    """Whether this machine cannot serve git behind nginx."""
    return not (_BACKEND.exists() and all(map(shutil.which, ("nginx", "fcgiwrap", "spawn-fcgi"))))


@contextmanager
def http_backend(repositories: Path, folder: Path, port: int) -> Iterator[Server]:
    """Git's http-backend under fcgiwrap (8 workers) behind nginx, as git's manual sets it up."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    text = _NGINX.format(port=port, folder=folder, backend=_BACKEND, repositories=repositories)
    (folder / "nginx.conf").write_text(text)
    socket = folder / "fcgi.sock"
    fcgi = ["spawn-fcgi", "-n", "-s", str(socket), "-F", "8", "--", shutil.which("fcgiwrap") or ""]
    nginx = ["nginx", "-p", f"{folder}/", "-c", str(folder / "nginx.conf")]
    with _running(fcgi) as backend:
        _until(socket.exists)
        with _running(nginx) as front:
            _until((folder / "nginx.pid").exists)
            yield Server(f"http://127.0.0.1:{port}", (backend.pid, front.pid))


@contextmanager
def _running(words: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        children = _children(process.pid)
        process.terminate()
        process.wait()
        _end(children)


@contextmanager
def _python(words: Sequence[str]) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A Python program that says on one line of JSON that it is ready."""
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None  # noqa: S101
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate()


def _children(pid: int) -> tuple[int, ...]:
    return tuple(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def _end(pids: Sequence[int]) -> None:
    """End what a parent that is gone left behind."""
    for pid in pids:
        try:
            os.kill(pid, 15)
        except ProcessLookupError:
            continue


def _until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _WAIT_S
    while not is_so():
        if time.monotonic() > deadline:
            raise RuntimeError("a server did not come up")
        time.sleep(0.02)


def told(endpoint: str, path: str) -> Any:
    """What a hub's API answers."""
    with urlopen(endpoint + path) as answer:  # noqa: S310  # the endpoint is the user's own
        return json.load(answer)
