"""Commits and tags of the world verify with git, gpg and ssh-keygen and the published keys."""

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from ptmtorrent.sandbox import repository
from ptmtorrent.sandbox.generate import generate
from ptmtorrent.sandbox.world import World

pytestmark = pytest.mark.skipif(
    not (shutil.which("gpg") and shutil.which("ssh-keygen")),
    reason="gpg or ssh-keygen is not installed",
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("signed") / "world"
    generate(path, packages=8)
    return path


@pytest.fixture(scope="module")
def environment(directory: Path) -> Iterator[dict[str, str]]:
    """git's environment with the world's keys imported."""
    home = directory.parent / "gnupg"
    home.mkdir(mode=0o700)
    environment = repository.environment() | {"GNUPGHOME": str(home)}
    environment["PATH"] = os.environ["PATH"]
    keys = directory / "keys/openpgp.asc"
    gpg = ["gpg", "--batch", "--import", keys]
    subprocess.run(gpg, env=environment, check=True, capture_output=True)
    yield environment
    subprocess.run(["gpgconf", "--kill", "all"], env=environment, check=False)


def ask(path: Path, environment: dict[str, str], *arguments: str) -> str:
    allowed = path.parents[3] / "keys/allowed_signers"
    command = ["git", "-C", str(path), "-c", f"gpg.ssh.allowedSignersFile={allowed}", *arguments]
    done = subprocess.run(command, env=environment, check=True, capture_output=True)
    return done.stdout.decode(errors="replace")


def test_every_signature_is_good_and_every_kind_is_there(
    directory: Path, environment: dict[str, str]
) -> None:
    """``%G?`` says G or U (good; trusted or not) or N (none), and B, E or X for what is not."""
    seen: Counter[tuple[str, str]] = Counter()
    for one in World.load(directory).repositories:
        path = one.path(directory)
        rows = ask(path, environment, "log", "--all", "--format=%G?|%cn|%GS").splitlines()
        seen.update((row.split("|")[0], row.split("|")[1]) for row in rows)
    assert {verdict for verdict, _ in seen} == {"G", "U", "N"}
    assert seen["U", "Hugging Face"] >= 16
    assert seen["U", "GitHub"] >= 3
    assert seen["N", "Hugging Face"] == seen["N", "GitHub"] == 0
    assert sum(n for (verdict, _), n in seen.items() if verdict == "G") > 0
    assert any(v == "U" and who not in ("Hugging Face", "GitHub") for v, who in seen)


def test_a_signed_tag_verifies_and_one_whose_bytes_were_changed_does_not(
    directory: Path, environment: dict[str, str]
) -> None:
    world = World.load(directory)
    (one,) = [one for one in world.repositories if one.name == "quillmark/tern"]
    path = one.path(directory)
    assert ask(path, environment, "verify-tag", "--format=%(tag)", "v0.1") == "v0.1\n"
    body = ask(path, environment, "cat-file", "tag", "v0.1").replace("tag v0.1", "tag v0.2")
    command = ["git", "-C", path, "hash-object", "-t", "tag", "-w", "--stdin"]
    done = subprocess.run(command, input=body.encode(), capture_output=True, check=True)
    with pytest.raises(subprocess.CalledProcessError):
        ask(path, environment, "verify-tag", done.stdout.decode().strip())


def test_a_commit_whose_bytes_were_changed_does_not_verify(
    directory: Path, environment: dict[str, str]
) -> None:
    (one,) = [r for r in World.load(directory).repositories if r.name == "quillmark/tern"]
    path = one.path(directory)
    body = ask(path, environment, "cat-file", "commit", "HEAD")
    forged = subprocess.run(
        ["git", "-C", path, "hash-object", "-t", "commit", "-w", "--stdin"],
        input=body.replace("Create", "Delete").encode(),
        capture_output=True,
        check=True,
    ).stdout.decode()
    assert ask(path, environment, "log", "-1", "--format=%G?", forged.strip()).strip() == "B"
