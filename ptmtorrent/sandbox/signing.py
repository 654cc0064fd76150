"""Real commit signatures without gpg or ssh-keygen: OpenPGP and SSH, both with ed25519.

Formats: OpenPGP v4 packets (RFC 4880) with the EdDSA algorithm 22 that GnuPG writes
(draft-koch-eddsa-for-openpgp), and OpenSSH's PROTOCOL.sshsig. The keys are made from the world's
seed for this purpose alone; they protect nothing.
"""

import base64
import hashlib
import struct
import textwrap
from dataclasses import dataclass
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

KEY_BORN = 1577836800
"""When every key says that it was made: 2020-01-01, before the first commit of any world."""

_ED25519_OID = bytes.fromhex("092b06010401da470f01")
_EDDSA = 22
_HASHES = {"sha256": 8, "sha512": 10}
_DOCUMENT, _CERTIFICATION = 0x00, 0x13


class Signer(Protocol):
    """Whoever signs commits: gives the armored text that goes into ``gpgsig``."""

    def sign(self, payload: bytes, at: int) -> str:
        """Sign ``payload`` at a time in seconds since 1970."""
        ...


@dataclass(frozen=True, slots=True)
class SshKey:
    """An ed25519 key that signs in OpenSSH's way, in the namespace ``git``."""

    secret: bytes
    mail: str

    def sign(self, payload: bytes, at: int) -> str:
        """An armored SSHSIG; it holds no time, so ``at`` is not used."""
        digest = hashlib.sha512(payload).digest()
        names = _ssh_string(b"git") + _ssh_string(b"") + _ssh_string(b"sha512")
        raw = _private(self.secret).sign(b"SSHSIG" + names + _ssh_string(digest))
        signature = _ssh_string(b"ssh-ed25519") + _ssh_string(raw)
        blob = b"SSHSIG" + struct.pack(">I", 1) + _ssh_string(self._public()) + names
        text = base64.b64encode(blob + _ssh_string(signature)).decode()
        lines = ["-----BEGIN SSH SIGNATURE-----", *textwrap.wrap(text, 70)]
        return "\n".join([*lines, "-----END SSH SIGNATURE-----"]) + "\n"

    def allowed_signer(self) -> str:
        """The line of an allowed-signers file (ssh-keygen(1)) that trusts this key."""
        key = base64.b64encode(self._public()).decode()
        return f'{self.mail} namespaces="git" ssh-ed25519 {key}\n'

    def _public(self) -> bytes:
        return _ssh_string(b"ssh-ed25519") + _ssh_string(_public(self.secret))


@dataclass(frozen=True, slots=True)
class OpenPgpKey:
    """An ed25519 key that signs in OpenPGP's way.

    Attributes:
        user_id: ``Name <mail>``, as the public key shows it.
        digest: ``sha256`` or ``sha512``.
    """

    secret: bytes
    user_id: str
    digest: str = "sha512"

    @property
    def fingerprint(self) -> str:
        """The v4 fingerprint: 40 hex digits."""
        return self._fingerprint().hex()

    def sign(self, payload: bytes, at: int) -> str:
        """An armored detached signature of ``payload`` made at ``at``."""
        return _armor("SIGNATURE", self._signature(_DOCUMENT, payload, at))

    def public_key(self) -> str:
        """The armored public key with its one self-signed user id."""
        user = self.user_id.encode()
        signed = self._hashed_key() + b"\xb4" + struct.pack(">I", len(user)) + user
        packets = _packet(6, self._key_body()) + _packet(13, user)
        packets += self._signature(_CERTIFICATION, signed, KEY_BORN)
        return _armor("PUBLIC KEY BLOCK", packets)

    def _signature(self, kind: int, payload: bytes, at: int) -> bytes:
        hashed = _subpacket(33, b"\x04" + self._fingerprint()) + _subpacket(2, _u32(at))
        if kind == _CERTIFICATION:
            hashed += _subpacket(27, b"\x03")
        head = bytes([4, kind, _EDDSA, _HASHES[self.digest]]) + _sized(hashed)
        trailer = b"\x04\xff" + _u32(len(head))
        digest = hashlib.new(self.digest, payload + head + trailer).digest()
        raw = _private(self.secret).sign(digest)
        unhashed = _subpacket(16, self._fingerprint()[-8:])
        numbers = _number(raw[:32]) + _number(raw[32:])
        return _packet(2, head + _sized(unhashed) + digest[:2] + numbers)

    def _key_body(self) -> bytes:
        point = _number(b"\x40" + _public(self.secret))
        return b"\x04" + _u32(KEY_BORN) + bytes([_EDDSA]) + _ED25519_OID + point

    def _hashed_key(self) -> bytes:
        return b"\x99" + _sized(self._key_body())

    def _fingerprint(self) -> bytes:
        return hashlib.sha1(self._hashed_key(), usedforsecurity=False).digest()


def secret_of(seed: int, label: str) -> bytes:
    """The 32 secret bytes of the key a label has in a world."""
    return hashlib.sha256(f"sandbox key {seed} {label}".encode()).digest()


def _private(secret: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(secret)


def _public(secret: bytes) -> bytes:
    return _private(secret).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def _ssh_string(data: bytes) -> bytes:
    return _u32(len(data)) + data


def _u32(value: int) -> bytes:
    return struct.pack(">I", value)


def _sized(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data


def _number(data: bytes) -> bytes:
    value = int.from_bytes(data, "big")
    return struct.pack(">H", value.bit_length()) + value.to_bytes((value.bit_length() + 7) // 8)


def _subpacket(kind: int, data: bytes) -> bytes:
    return bytes([len(data) + 1, kind]) + data


def _packet(tag: int, body: bytes) -> bytes:
    return bytes([0xC0 | tag, 0xFF]) + _u32(len(body)) + body


def _armor(title: str, data: bytes) -> str:
    text = textwrap.wrap(base64.b64encode(data).decode(), 64)
    check = base64.b64encode(_crc24(data).to_bytes(3)).decode()
    lines = [f"-----BEGIN PGP {title}-----", "", *text, f"={check}", f"-----END PGP {title}-----"]
    return "\n".join(lines) + "\n"


def _crc24(data: bytes) -> int:
    crc = 0xB704CE
    for byte in data:
        crc ^= byte << 16
        for _ in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= 0x1864CFB
    return crc & 0xFFFFFF
