"""Who writes the world's commits, how they spell themselves, and the keys they sign with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ptmtorrent.sandbox.signing import OpenPgpKey, Signer, SshKey, secret_of


@dataclass(frozen=True, slots=True)
class Person:
    """A developer of the world.

    Attributes:
        account: their name at the hub.
        spellings: (name, mail) as found in commits; the first is the one they sign under.
        key: ``ssh``, ``openpgp`` or nothing: what they sign with when they sign.
        offset: minutes east of UTC.
    """

    account: str
    spellings: tuple[tuple[str, str], ...]
    key: str
    offset: int


PEOPLE = (
    Person(
        "aivi-tamm",
        (
            ("Aivi Tamm", "aivi.tamm@example.org"),
            ("aivi", "AIVI.TAMM@Example.org"),
            ("Tamm, Aivi", "aivi-tamm@users.noreply.huggingface.co"),
        ),
        "openpgp",
        180,
    ),
    Person(
        "bohdan-k",
        (("Bohdan Kravets", "bohdan@kravets.example"), ("root", "root@localhost")),
        "ssh",
        120,
    ),
    Person(
        "carino-j",
        (("José Cariño Ñáñez", "jose@example.net"), ("Jose Carino", "jose@example.net")),
        "",
        -180,
    ),
    Person(
        "dipti_rao",
        (("Dipti Rao", "dipti@lab.example"), ("dipti rao (laptop)", "dipti@dipti-laptop.local")),
        "ssh",
        330,
    ),
    Person("emre", (("Emre Ölmez", "emre@example.com"), ("Emre", "emre@example.com")), "", 0),
    Person("fern-nz", (("fern", "fern@example.nz"),), "openpgp", 765),
)

HUB = {
    "huggingface": ("Hugging Face", "noreply@huggingface.co"),
    "github": ("GitHub", "noreply@github.com"),
}
"""Who commits what is edited on a forge's web pages."""


def person_key(seed: int, person: Person) -> Signer | None:
    """What a person signs with, or None."""
    name, mail = person.spellings[0]
    secret = secret_of(seed, person.account)
    keys: Mapping[str, Signer] = {
        "ssh": SshKey(secret, mail),
        "openpgp": OpenPgpKey(secret, f"{name} <{mail}>", "sha256"),
    }
    return keys.get(person.key)


def hub_key(seed: int, forge: str) -> OpenPgpKey:
    """What a forge signs web edits with."""
    name, mail = HUB[forge]
    return OpenPgpKey(secret_of(seed, forge), f"{name} <{mail}>")


def write_public_keys(directory: Path, seed: int) -> None:
    """Write ``keys/openpgp.asc`` (for gpg) and ``keys/allowed_signers`` (for ssh-keygen)."""
    keys = [person_key(seed, person) for person in PEOPLE] + [hub_key(seed, f) for f in HUB]
    folder = directory / "keys"
    folder.mkdir()
    blocks = [key.public_key() for key in keys if isinstance(key, OpenPgpKey)]
    lines = [key.allowed_signer() for key in keys if isinstance(key, SshKey)]
    (folder / "openpgp.asc").write_text("".join(blocks), encoding="utf-8")
    (folder / "allowed_signers").write_text("".join(lines), encoding="utf-8")
