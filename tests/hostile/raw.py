"""git objects and packs written byte by byte, so that they can be anything but right."""

import hashlib
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

KINDS = {"commit": 1, "tree": 2, "blob": 3, "tag": 4}
REF_DELTA = 7
WHO = b"Eve <eve@example.org> 1700000000 +0000"


def oid_of(kind: str, body: bytes) -> str:
    return hashlib.sha1(f"{kind} {len(body)}\0".encode() + body).hexdigest()


@dataclass
class Raw:
    """Objects in the making, each as it is told to be."""

    held: dict[str, tuple[str, bytes]] = field(default_factory=dict)

    def add(self, kind: str, body: bytes) -> str:
        oid = oid_of(kind, body)
        self.held[oid] = (kind, body)
        return oid

    def blob(self, data: bytes) -> str:
        return self.add("blob", data)

    def tree(self, *rows: tuple[str, bytes, str], ordered: bool = True) -> str:
        """A tree of (mode, name, oid), in git's order unless told otherwise."""
        known = sorted(rows, key=lambda r: r[1] + b"/" * (r[0] == "40000")) if ordered else rows
        return self.add("tree", b"".join(row(*one) for one in known))

    def files(self, files: dict[bytes, bytes]) -> str:
        """A flat tree of these files."""
        return self.tree(*(("100644", name, self.blob(data)) for name, data in files.items()))

    def commit(
        self,
        tree: str,
        *parents: str,
        message: bytes = b"work\n",
        author: bytes = WHO,
        committer: bytes = WHO,
        extra: bytes = b"",
    ) -> str:
        lines = [b"tree " + tree.encode(), *(b"parent " + p.encode() for p in parents)]
        lines += [b"author " + author, b"committer " + committer]
        return self.add("commit", b"\n".join(lines) + b"\n" + extra + b"\n" + message)

    def tag(self, target: str, name: bytes = b"t", kind: bytes = b"commit") -> str:
        head = b"object %b\ntype %b\ntag %b\ntagger %b\n\n" % (target.encode(), kind, name, WHO)
        return self.add("tag", head + b"t\n")

    def pack(self) -> bytes:
        return sealed([packed(kind, body) for kind, body in self.held.values()])


def row(mode: str, name: bytes, oid: str) -> bytes:
    return mode.encode() + b" " + name + b"\0" + bytes.fromhex(oid)


def packed(kind: str, body: bytes) -> bytes:
    return head(KINDS[kind], len(body)) + zlib.compress(body, 6)


def head(kind: int, size: int) -> bytes:
    first, size = kind << 4 | size & 0x0F, size >> 4
    out = bytearray()
    while size:
        out.append(first | 0x80)
        first, size = size & 0x7F, size >> 7
    return bytes([*out, first])


def sealed(entries: Sequence[bytes], count: int | None = None, checksum: bytes = b"") -> bytes:
    data = struct.pack(">4sII", b"PACK", 2, len(entries) if count is None else count)
    data += b"".join(entries)
    return data + (checksum or hashlib.sha1(data).digest())


def delta(base: str, base_size: int, result_size: int, steps: bytes) -> bytes:
    """An entry that says how to make an object of another one."""
    body = _varint(base_size) + _varint(result_size) + steps
    return head(REF_DELTA, len(body)) + bytes.fromhex(base) + zlib.compress(body, 6)


def copy(size: int) -> bytes:
    """A step that copies the first bytes (up to 2**24 - 1) of the base."""
    return b"\xf0" + struct.pack("<I", size)[:3]


def zeros(size: int, byte: bytes = b"\0") -> bytes:
    """The zlib stream of so many equal bytes, made without holding them."""
    squeezing, chunk = zlib.compressobj(9), byte * 2**20
    out = [squeezing.compress(chunk) for _ in range(size // 2**20)]
    return b"".join(out) + squeezing.flush()


def zeros_oid(size: int, byte: bytes = b"\0") -> str:
    digest = hashlib.sha1(f"blob {size}\0".encode())
    for _ in range(size // 2**20):
        digest.update(byte * 2**20)
    return digest.hexdigest()


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def pkt(data: bytes | str) -> bytes:
    raw = data.encode() if isinstance(data, str) else data
    return b"%04x" % (len(raw) + 4) + raw


def pkts(lines: Iterable[bytes | str]) -> bytes:
    return b"".join(map(pkt, lines)) + b"0000"
