"""Signatures of commits: which kind, which key, and whether a person or a hub made them.

Nothing is verified: who signed is what the signature says. Reading never fails; what cannot be
read has no key. Formats: RFC 4880 and RFC 9580 (OpenPGP), PROTOCOL.sshsig of OpenSSH.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

HUB_KEYS = ("4AEE18F83AFDEB23", "B5690EEEBB952194")
"""Keys of GitHub's web flow (https://github.com/web-flow.gpg): until 2024, and since."""

HUB_ADDRESSES = ("noreply@github.com", "noreply@huggingface.co")
"""Committer addresses under which hubs themselves commit."""

_ISSUER, _ISSUER_FINGERPRINT = 16, 33


class SignatureKind(StrEnum):
    """What the armor says."""

    NONE = "none"
    OPENPGP = "openpgp"
    SSH = "ssh"
    X509 = "x509"
    UNKNOWN = "unknown"


class Signer(StrEnum):
    """Who signed a commit."""

    NONE = "none"
    USER = "user"
    HUB = "hub"


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature's kind, and its key: 16 upper-case hex digits (OpenPGP) or ``SHA256:...``.

    A commit without a signature has one of kind ``none``.
    """

    kind: SignatureKind
    key: str | None = None


def signer_of(signature: Signature, committer_mail: str) -> Signer:
    """Who signed: ``hub`` if the key is a hub's or a hub committed, else the ``user``.

    Hubs sign what is done in their web pages; such a signature says nothing about a person.
    """
    if signature.kind is SignatureKind.NONE:
        return Signer.NONE
    is_hub = signature.key in HUB_KEYS or committer_mail.lower() in HUB_ADDRESSES
    return Signer.HUB if is_hub else Signer.USER


def parse_signature(armored: bytes | None) -> Signature:
    """Read an armored signature, or the lack of one; never raises."""
    if armored is None:
        return Signature(SignatureKind.NONE)
    if b"-----BEGIN PGP " in armored:
        return Signature(SignatureKind.OPENPGP, _openpgp_key(_unarmor(armored)))
    if b"-----BEGIN SSH SIGNATURE-----" in armored:
        return Signature(SignatureKind.SSH, _ssh_key(_unarmor(armored)))
    if b"-----BEGIN SIGNED MESSAGE-----" in armored:
        return Signature(SignatureKind.X509)
    return Signature(SignatureKind.UNKNOWN)


def _unarmor(armored: bytes) -> bytes:
    body = armored.partition(b"-----BEGIN ")[2].partition(b"-----END ")[0]
    lines = [line.strip() for line in body.splitlines()[1:]]
    text = [line for line in lines if line and b":" not in line and not line.startswith(b"=")]
    try:
        return base64.b64decode(b"".join(text), validate=True)
    except binascii.Error:
        return b""


class _Bytes:
    """A cursor over bytes; reading past the end raises EOFError."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        piece = self._data[self._at : self._at + count]
        if len(piece) < count:
            raise EOFError
        self._at += count
        return piece

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "big")

    def prefixed(self, count: int) -> "_Bytes":
        return _Bytes(self.take(self.number(count)))

    def rest(self) -> bytes:
        return self._data[self._at :]


def _ssh_key(blob: bytes) -> str | None:
    """The fingerprint of the public key: magic ``SSHSIG``, version, then the key as a string."""
    data = _Bytes(blob)
    try:
        if data.take(6) != b"SSHSIG" or data.number(4) != 1:
            return None
        key = data.prefixed(4).rest()
    except EOFError:
        return None
    digest = base64.b64encode(hashlib.sha256(key).digest())
    return "SHA256:" + digest.rstrip(b"=").decode()


def _openpgp_key(data: bytes) -> str | None:
    """The key id of the first signature packet that names one."""
    packets = _Bytes(data)
    try:
        while packets:
            tag, body = _packet(packets)
            key = _issuer(body) if tag == 2 else None
            if key is not None:
                return key
    except EOFError:
        pass  # a cut or partial packet: no key can be told
    return None


def _packet(data: _Bytes) -> tuple[int, _Bytes]:
    """Tag and body of the next packet (RFC 9580, 4.2)."""
    first = data.number(1)
    if not first & 0x80:
        raise EOFError
    if first & 0x40:
        return first & 0x3F, _Bytes(data.take(_length(data)))
    size = first & 3
    body = data.rest() if size == 3 else data.take(data.number(1 << size))
    return (first >> 2) & 0xF, _Bytes(body)


def _length(data: _Bytes) -> int:
    """A new-format packet length, or a subpacket length below 224 * 256."""
    first = data.number(1)
    if first < 192:
        return first
    if first == 255:
        return data.number(4)
    if first >= 224:
        raise EOFError
    return ((first - 192) << 8) + data.number(1) + 192


def _issuer(body: _Bytes) -> str | None:
    version = body.number(1)
    if version in (2, 3):
        body.take(6)
        return _hex(body.take(8))
    if version not in (4, 5, 6):
        return None
    body.take(3)
    width = 4 if version == 6 else 2
    found = [pair for _ in range(2) for pair in _subpackets(body.prefixed(width))]
    return next((key for key in map(_key_of, sorted(found, reverse=True)) if key), None)


def _subpackets(area: _Bytes) -> Iterator[tuple[int, bytes]]:
    while area:
        body = _Bytes(area.take(_length(area)))
        yield body.number(1) & 0x7F, body.rest()


def _key_of(subpacket: tuple[int, bytes]) -> str | None:
    """A key id: the end of a version 4 fingerprint, the beginning of a later one."""
    kind, value = subpacket
    if kind == _ISSUER_FINGERPRINT and len(value) > 8:
        return _hex(value[-8:] if value[0] == 4 else value[1:9])
    return _hex(value) if kind == _ISSUER and len(value) == 8 else None


def _hex(value: bytes) -> str:
    return value.hex().upper()
