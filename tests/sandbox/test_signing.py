"""The signatures are real: gpg and ssh-keygen, which know nothing of us, accept them."""

import base64
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ptmtorrent.sandbox.signing import OpenPgpKey, SshKey, secret_of

NEEDS_GPG = pytest.mark.skipif(shutil.which("gpg") is None, reason="gpg is not installed")
NEEDS_SSH = pytest.mark.skipif(
    shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed"
)
AT = 1700000000


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A gpg home of our own, with its helpers stopped afterwards."""
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    yield home
    subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)


def gpg_verdict(home: Path, key: OpenPgpKey, signature: str, payload: bytes) -> str:
    (home / "key").write_text(key.public_key())
    (home / "signature").write_text(signature)
    (home / "payload").write_bytes(payload)
    gpg = ["gpg", "--homedir", home, "--batch", "--status-fd", "1"]
    subprocess.run([*gpg, "--import", home / "key"], check=True, capture_output=True)
    verify = [*gpg, "--verify", home / "signature", home / "payload"]
    return subprocess.run(verify, check=False, capture_output=True, text=True).stdout


@NEEDS_GPG
@pytest.mark.parametrize("digest", ["sha256", "sha512"])
def test_gpg_accepts_an_openpgp_signature(home: Path, digest: str) -> None:
    key = OpenPgpKey(secret_of(1, "someone"), "Some Öne <one@example.org>", digest)
    verdict = gpg_verdict(home, key, key.sign(b"payload\n", AT), b"payload\n")
    assert "GOODSIG" in verdict
    assert f"VALIDSIG {key.fingerprint.upper()} 2023-11-14 {AT} " in verdict


@NEEDS_GPG
def test_gpg_refuses_an_openpgp_signature_of_other_bytes(home: Path) -> None:
    key = OpenPgpKey(secret_of(1, "someone"), "One <one@example.org>")
    assert "BADSIG" in gpg_verdict(home, key, key.sign(b"payload\n", AT), b"Payload\n")


def packet_bytes(armored: str) -> int:
    text = armored.split("\n\n")[1].split("\n=")[0]
    return len(base64.b64decode(text))


@NEEDS_GPG
def test_gpg_accepts_signatures_whose_numbers_begin_with_zeros(home: Path) -> None:
    """One signature in 128 has a number of fewer than 32 bytes."""
    key = OpenPgpKey(secret_of(1, "someone"), "One <one@example.org>")
    short = next(n for n in range(2000) if packet_bytes(key.sign(b"%d" % n, AT)) < 123)
    assert "GOODSIG" in gpg_verdict(home, key, key.sign(b"%d" % short, AT), b"%d" % short)


def ssh_verdict(folder: Path, key: SshKey, namespace: str, payload: bytes) -> int:
    (folder / "allowed").write_text(key.allowed_signer())
    (folder / "signature").write_text(key.sign(b"payload\n", AT))
    command = ["ssh-keygen", "-Y", "verify", "-f", folder / "allowed", "-I", key.mail]
    command += ["-n", namespace, "-s", folder / "signature"]
    return subprocess.run(command, input=payload, check=False, capture_output=True).returncode


@NEEDS_SSH
def test_ssh_keygen_accepts_a_signature_and_refuses_others(tmp_path: Path) -> None:
    key = SshKey(secret_of(1, "someone"), "one@example.org")
    assert ssh_verdict(tmp_path, key, "git", b"payload\n") == 0
    assert ssh_verdict(tmp_path, key, "git", b"Payload\n") != 0
    assert ssh_verdict(tmp_path, key, "file", b"payload\n") != 0


def test_keys_follow_from_seed_and_label() -> None:
    assert secret_of(1, "a") == secret_of(1, "a")
    assert len({secret_of(1, "a"), secret_of(2, "a"), secret_of(1, "b")}) == 3
