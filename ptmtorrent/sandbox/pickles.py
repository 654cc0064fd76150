"""Checkpoints made of pickles, written opcode by opcode; nothing here is ever unpickled.

Two layouts that ``torch.save`` writes: the zip archive of today, and the older row of pickles.
"""

import io
import random
import struct
import zipfile

from ptmtorrent.sandbox.weights import WIDTH, Tensor, layers

_PROTOCOL = b"\x80\x02"
_MARK, _STOP, _REDUCE, _TUPLE, _BINPERSID = b"(", b".", b"R", b"t", b"Q"
_EMPTY_DICT, _EMPTY_LIST, _EMPTY_TUPLE = b"}", b"]", b")"
_SETITEMS, _APPENDS, _NONE, _FALSE, _TRUE = b"u", b"e", b"N", b"\x89", b"\x88"
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def zip_checkpoint(rng: random.Random, size: int) -> bytes:
    """A ``torch.save`` archive: ``data.pkl``, one member per storage, stored uncompressed."""
    tensors = layers(size, WIDTH * 4, "F32")
    members = {"data.pkl": _state(tensors, legacy=False), "byteorder": b"little"}
    for number, tensor in enumerate(tensors):
        members[f"data/{number}"] = rng.randbytes(tensor.items * 4)
    members["version"] = b"3\n"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            entry = zipfile.ZipInfo(f"archive/{name}", _ZIP_TIME)
            entry.create_system = 3
            archive.writestr(entry, data)
    return out.getvalue()


def legacy_checkpoint(rng: random.Random, size: int) -> bytes:
    """The layout before torch 1.6: magic, version, system, state and keys as pickles, then data."""
    tensors = layers(size, WIDTH * 4, "F32")
    keys = [_text(str(number)) for number in range(len(tensors))]
    out = _pickle(_long(_LEGACY_MAGIC)) + _pickle(_int(_LEGACY_PROTOCOL))
    out += _pickle(_system()) + _state(tensors, legacy=True)
    out += _pickle(_EMPTY_LIST + _MARK + b"".join(keys) + _APPENDS)
    for tensor in tensors:
        out += struct.pack("<q", tensor.items) + rng.randbytes(tensor.items * 4)
    return out


def hostile_pickle() -> bytes:
    """A pickle that would call ``posix.system`` if anyone loaded it: a thing to report, not run."""
    return _pickle(_call("posix", "system", _text("echo unpickled")))


def arguments_pickle(rng: random.Random) -> bytes:
    """A few kilobytes of training arguments, pickled as a plain dict with some noise in it."""
    items = _text("learning_rate") + b"G" + struct.pack(">d", 2e-5)
    items += _text("seed") + _int(rng.randrange(1 << 16))
    items += _text("rng_state") + _text(rng.randbytes(1024).hex())
    return _pickle(_EMPTY_DICT + _MARK + items + _SETITEMS)


def _state(tensors: list[Tensor], *, legacy: bool) -> bytes:
    items = b""
    for number, tensor in enumerate(tensors):
        items += _text(tensor.name) + _tensor(tensor, str(number), legacy=legacy)
    empty = b"ccollections\nOrderedDict\n" + _EMPTY_TUPLE + _REDUCE
    return _pickle(empty + _MARK + items + _SETITEMS)


def _tensor(tensor: Tensor, key: str, *, legacy: bool) -> bytes:
    storage = _text("storage") + b"ctorch\nFloatStorage\n" + _text(key) + _text("cpu")
    storage += _int(tensor.items) + (_NONE if legacy else b"")
    hooks = b"ccollections\nOrderedDict\n" + _EMPTY_TUPLE + _REDUCE
    shape = _MARK + _int(tensor.rows) + _int(WIDTH) + _TUPLE
    stride = _MARK + _int(WIDTH) + _int(1) + _TUPLE
    arguments = _MARK + storage + _TUPLE + _BINPERSID + _int(0) + shape + stride + _FALSE + hooks
    return _call("torch._utils", "_rebuild_tensor_v2", arguments)


def _system() -> bytes:
    sizes = b"".join(_text(k) + _int(n) for k, n in (("short", 2), ("int", 4), ("long", 4)))
    items = _text("protocol_version") + _int(_LEGACY_PROTOCOL) + _text("little_endian") + _TRUE
    items += _text("type_sizes") + _EMPTY_DICT + _MARK + sizes + _SETITEMS
    return _EMPTY_DICT + _MARK + items + _SETITEMS


def _pickle(body: bytes) -> bytes:
    return _PROTOCOL + body + _STOP


def _call(module: str, name: str, arguments: bytes) -> bytes:
    return f"c{module}\n{name}\n".encode() + _MARK + arguments + _TUPLE + _REDUCE


def _text(text: str) -> bytes:
    data = text.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def _int(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def _long(value: int) -> bytes:
    data = value.to_bytes(value.bit_length() // 8 + 1, "little")
    return b"\x8a" + bytes([len(data)]) + data
