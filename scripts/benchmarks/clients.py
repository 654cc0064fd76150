"""The commands that are compared: ours, and what a user would take instead."""

import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Command
from benchmarks.servers import HERE, told
from ptmtorrent.model.oid import sha256_of

_CONFIG = """\
[hubs.huggingface]
enabled = true
endpoint = "{endpoint}"

[hubs.modelhub]
enabled = false

[hubs.modelzoo]
enabled = false

[hubs.pytorchhub]
enabled = false

[hubs.onnxmodelzoo]
enabled = false

[network]
allow_private = true
"""
_LFS = """\
[filter "lfs"]
\tclean = git-lfs clean -- %f
\tsmudge = git-lfs smudge -- %f
\tprocess = git-lfs filter-process
\trequired = true
"""
"""What ``git lfs install`` writes into a user's settings."""


@dataclass(frozen=True, slots=True)
class Large:
    """An LFS object and a place where it is."""

    name: str
    path: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What is to be had at an endpoint, as its API tells it."""

    endpoint: str
    names: tuple[str, ...]
    large: tuple[Large, ...]

    @classmethod
    def of(cls, endpoint: str) -> "Catalogue":
        """Ask for the names of up to 1,000 packages, and for the files of each."""
        listed = told(endpoint, "/api/models?sort=createdAt&limit=1000")
        names = tuple(record["id"] for record in listed)
        large = (found for name in names for found in _large(endpoint, name))
        return cls(endpoint, names, tuple(large))

    @property
    def distinct(self) -> tuple[Large, ...]:
        """Each object once."""
        return tuple({one.sha256: one for one in self.large}.values())

    @property
    def urls(self) -> tuple[str, ...]:
        """Where each package's repository is."""
        return tuple(f"{self.endpoint}/{name}" for name in self.names)


@dataclass(frozen=True, slots=True)
class Clients:
    """Makes commands that work in a folder of their own, emptied before each run."""

    folder: Path

    def ours(self, endpoint: str, *words: str, keep: bool = False) -> Command:
        """``ptmtorrent`` on an empty root, or on the one that is there."""
        config, root = self.folder / "bench.toml", self.root
        config.write_text(_CONFIG.format(endpoint=endpoint))
        place = ["--root", str(root), "--config", str(config), "--quiet"]
        program = [sys.executable, "-m", "ptmtorrent", *place, *words]
        return self._command(program, () if keep else [root])

    @property
    def root(self) -> Path:
        """Where our command puts everything."""
        return self.folder / "root"

    def one_by_one(self, catalogue: Catalogue) -> Command:
        """``git clone`` with git-lfs, one package after the other."""
        listed = self._list(catalogue.urls)
        script = 'while read -r url; do git clone --quiet "$url" || exit 1; done < "$0"'
        return self._shell(script, listed)

    def at_once(self, catalogue: Catalogue) -> Command:
        """Bare clones, eight at a time; then each object once, eight at a time."""
        listed = self._list(catalogue.urls)
        each = [
            f'url = "{catalogue.endpoint}/{one.name}/resolve/main/{one.path}"\n'
            f'output = "{one.sha256}"'
            for one in catalogue.distinct
        ]
        objects = self._list(each)
        clones = 'xargs -P 8 -n 1 git clone --quiet --bare < "$0"'
        curl = "curl --silent --fail --location --parallel --parallel-max 8 --config"
        return self._shell(f"{clones} && {curl} ../{objects.name}", listed)

    def bare_clones(self, endpoint: str, names: Iterable[str]) -> Command:
        """Bare clones, one after the other."""
        listed = self._list([f"{endpoint}/{name}" for name in names])
        script = 'while read -r url; do git clone --quiet --bare "$url" || exit 1; done < "$0"'
        return self._shell(script, listed)

    def hub_library(self, catalogue: Catalogue) -> Command:
        """``huggingface_hub.snapshot_download`` of each package, its default workers."""
        listed = self._list(catalogue.names)
        words = [sys.executable, str(HERE / "hub_client.py"), "snapshots", str(listed)]
        return self._command(words, [self.work], {"HF_ENDPOINT": catalogue.endpoint})

    def hub_listing(self, endpoint: str) -> Command:
        """``HfApi.list_models(full=True)`` from the first record to the last."""
        words = [sys.executable, str(HERE / "hub_client.py"), "listing"]
        return self._command(words, [self.work], {"HF_ENDPOINT": endpoint})

    def curl(self, catalogue: Catalogue, after: str) -> Command:
        """Download the one object by ``curl`` into a file, then do something with it."""
        one = catalogue.large[0]
        url = f"{catalogue.endpoint}/{one.name}/resolve/main/{one.path}"
        return self._shell(f'curl --silent --fail --location -o file "$0" && {after}', url)

    def python(self, *words: str) -> Command:
        """One of the programs beside this one."""
        program = [sys.executable, str(HERE / words[0]), *words[1:]]
        return self._command(program, [self.work])

    @property
    def work(self) -> Path:
        """Where the commands of the others begin."""
        return self.folder / "work"

    def _shell(self, script: str, argument: Path | str) -> Command:
        return self._command(["bash", "-c", script, str(argument)], [self.work])

    def _command(
        self, words: Sequence[str], emptied: Sequence[Path], more: Mapping[str, str] | None = None
    ) -> Command:
        def prepare() -> None:
            for path in emptied:
                shutil.rmtree(path, ignore_errors=True)
            self.work.mkdir(exist_ok=True)
            os.sync()

        home = self.folder / "home"
        home.mkdir(parents=True, exist_ok=True)
        (home / ".gitconfig").write_text(_LFS)
        plain = {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8"}
        plain |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
        plain |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
        plain |= {"HF_HUB_CACHE": str(self.work / "cache")}
        return Command(
            words=words, folder=self.work, environment=plain | dict(more or {}), prepare=prepare
        )

    def _list(self, lines: Iterable[str]) -> Path:
        """A file of lines, named by what is in it."""
        text = "".join(f"{line}\n" for line in lines)
        path = self.folder / f"list-{sha256_of(text.encode())[:12]}"
        path.write_text(text)
        return path


def _large(endpoint: str, name: str) -> list[Large]:
    entries = told(endpoint, f"/api/models/{name}/tree/main?recursive=true")
    return [
        Large(name, entry["path"], entry["lfs"]["oid"], entry["size"])
        for entry in entries
        if "lfs" in entry
    ]
