"""Small real weight files of open formats: safetensors, GGUF and ONNX.

Sizes are in bytes and approximate: a header comes on top. The numbers in the tensors are noise.
Checkpoints made of pickles are in ``pickles``.
"""

import json
import random
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH = 64
"""Columns of every matrix."""

_ITEM_BYTES = {"F32": 4, "F16": 2, "BF16": 2, "I8": 1}
_GGML_TYPES = {"F32": (0, 1, 4), "F16": (1, 1, 2), "Q4_0": (2, 32, 18), "Q8_0": (8, 32, 34)}
_GGUF_ALIGNMENT = 32
_ONNX_FLOAT = 1


@dataclass(frozen=True, slots=True)
class Tensor:
    """A named matrix: ``rows`` by ``WIDTH`` items of one type."""

    name: str
    rows: int
    dtype: str

    @property
    def items(self) -> int:
        """How many parameters it has."""
        return self.rows * WIDTH


def layers(size: int, row_bytes: int, dtype: str) -> list[Tensor]:
    """A model of about ``size`` bytes: an embedding of half the rows, and two layers."""
    rows = max(4, size // row_bytes)
    parts = {"embed.weight": rows - rows // 2, "layers.0.weight": rows // 4}
    parts["layers.1.weight"] = rows - sum(parts.values())
    return [Tensor(name, count, dtype) for name, count in parts.items()]


def safetensors(rng: random.Random, size: int, dtype: str = "F32") -> bytes:
    """A safetensors file (the format's README): length, JSON header, data."""
    return _safetensors_file(rng, layers(size, WIDTH * _ITEM_BYTES[dtype], dtype))


def safetensors_shards(
    rng: random.Random, size: int, count: int, dtype: str = "BF16"
) -> dict[str, bytes]:
    """A model cut into ``count`` safetensors files, and the index that names them."""
    rows = max(1, size // count // (WIDTH * _ITEM_BYTES[dtype]))
    files: dict[str, bytes] = {}
    places: dict[str, str] = {}
    for number in range(count):
        tensor = Tensor(f"layers.{number}.weight", rows, dtype)
        name = f"model-{number + 1:05}-of-{count:05}.safetensors"
        files[name] = _safetensors_file(rng, [tensor])
        places[tensor.name] = name
    total = count * rows * WIDTH * _ITEM_BYTES[dtype]
    index = {"metadata": {"total_size": total}, "weight_map": places}
    files["model.safetensors.index.json"] = (json.dumps(index, indent=2) + "\n").encode()
    return files


def _safetensors_file(rng: random.Random, tensors: Sequence[Tensor]) -> bytes:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for tensor in tensors:
        begin, end = end, end + tensor.items * _ITEM_BYTES[tensor.dtype]
        header[tensor.name] = {
            "dtype": tensor.dtype,
            "shape": [tensor.rows, WIDTH],
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + rng.randbytes(end)


def gguf(rng: random.Random, size: int, dtype: str = "Q4_0", name: str = "tern") -> bytes:
    """A GGUF file of version 3 (ggml docs/gguf.md): keys, tensor table, aligned data."""
    type_id, block_items, block_bytes = _GGML_TYPES[dtype]
    tensors = _gguf_layers(size, dtype)
    table, data_bytes = b"", 0
    for tensor in tensors:
        table += _gguf_text(tensor.name)
        table += struct.pack("<IQQIQ", 2, WIDTH, tensor.rows, type_id, data_bytes)
        data_bytes += tensor.items // block_items * block_bytes
        data_bytes += -data_bytes % _GGUF_ALIGNMENT
    keys = gguf_keys(name)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys))
    head += b"".join(_gguf_text(key) + _gguf_value(value) for key, value in keys.items())
    head += table
    return head + bytes(-len(head) % _GGUF_ALIGNMENT) + rng.randbytes(data_bytes)


def gguf_parameters(size: int, dtype: str) -> int:
    """How many parameters the file that ``gguf`` makes of these arguments has."""
    return sum(tensor.items for tensor in _gguf_layers(size, dtype))


def _gguf_layers(size: int, dtype: str) -> list[Tensor]:
    _, block_items, block_bytes = _GGML_TYPES[dtype]
    return layers(size, WIDTH // block_items * block_bytes, dtype)


def gguf_keys(name: str) -> Mapping[str, object]:
    """The key-value part of our GGUF files."""
    return {
        "general.architecture": "llama",
        "general.name": name,
        "general.alignment": _GGUF_ALIGNMENT,
        "llama.context_length": 4096,
        "llama.rope.freq_base": 10000.0,
        "tokenizer.ggml.tokens": ["<s>", "</s>", "the", "bird", "✓"],
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.eos_token_id": 1,
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.chat_template": "{% for m in messages %}{{ m['content'] }}{% endfor %}",
    }


def _gguf_text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _gguf_value(value: object) -> bytes:
    match value:
        case bool():
            return struct.pack("<I?", 7, value)
        case int():
            return struct.pack("<II", 4, value)
        case float():
            return struct.pack("<If", 6, value)
        case list():
            items = b"".join(_gguf_text(str(item)) for item in value)
            return struct.pack("<IIQ", 9, 8, len(value)) + items
        case _:
            return struct.pack("<I", 8) + _gguf_text(str(value))


def onnx(rng: random.Random, size: int, producer: str = "wader-export", opset: int = 17) -> bytes:
    """An ONNX model (onnx.proto): one MatMul with its weight in the file."""
    rows = max(4, size // (WIDTH * 4))
    weight = _number(1, rows) + _number(1, WIDTH) + _number(2, _ONNX_FLOAT)
    weight += _field(8, b"weight") + _field(9, rng.randbytes(rows * WIDTH * 4))
    node = _field(1, b"x") + _field(1, b"weight") + _field(2, b"y")
    node += _field(3, b"matmul") + _field(4, b"MatMul")
    graph = _field(1, node) + _field(2, b"graph") + _field(5, weight)
    graph += _field(11, _onnx_port(b"x", rows)) + _field(12, _onnx_port(b"y", WIDTH))
    operators = _field(1, b"") + _number(2, opset)
    return _number(1, 8) + _field(2, producer.encode()) + _field(7, graph) + _field(8, operators)


def _onnx_port(name: bytes, columns: int) -> bytes:
    shape = _field(1, _number(1, 1)) + _field(1, _number(1, columns))
    tensor = _number(1, _ONNX_FLOAT) + _field(2, shape)
    return _field(1, name) + _field(2, _field(1, tensor))


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _field(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data
