"""The weight files are real: code that knows only the format's specification reads them."""

import io
import json
import math
import pickletools
import random
import struct
import zipfile
from collections.abc import Callable, Iterator

import pytest

from ptmtorrent.sandbox import pickles, weights

ITEM_BYTES = {"F32": 4, "F16": 2, "BF16": 2, "I8": 1}

Maker = Callable[[random.Random, int], bytes]
MAKERS: list[Maker] = [
    weights.safetensors,
    weights.gguf,
    weights.onnx,
    pickles.zip_checkpoint,
    pickles.legacy_checkpoint,
]


def rng() -> random.Random:
    return random.Random("weights")


def safetensors_header(data: bytes) -> tuple[dict[str, dict[str, object]], bytes]:
    (length,) = struct.unpack_from("<Q", data)
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def check_safetensors(data: bytes) -> int:
    """Offsets tile the data without gaps; returns the number of parameters."""
    header, body = safetensors_header(data)
    assert header.pop("__metadata__") == {"format": "pt"}
    end = total = 0
    for tensor in header.values():
        begin, after = tensor["data_offsets"]
        items = math.prod(tensor["shape"])
        assert begin == end
        assert after - begin == items * ITEM_BYTES[tensor["dtype"]]
        end, total = after, total + items
    assert end == len(body)
    return total


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("size", [2_000, 20_000, 300_000])
def test_a_file_is_about_as_large_as_asked(maker: Maker, size: int) -> None:
    assert size * 0.8 <= len(maker(rng(), size)) <= size * 1.2 + 2_000


@pytest.mark.parametrize("maker", MAKERS)
def test_equal_chance_makes_equal_bytes(maker: Maker) -> None:
    assert maker(rng(), 5_000) == maker(rng(), 5_000)
    assert maker(rng(), 5_000) != maker(random.Random(2), 5_000)


@pytest.mark.parametrize("dtype", ITEM_BYTES)
def test_safetensors_headers_describe_their_data(dtype: str) -> None:
    assert check_safetensors(weights.safetensors(rng(), 10_000, dtype)) > 0


def test_the_index_of_a_sharded_model_names_the_shard_of_each_tensor() -> None:
    files = weights.safetensors_shards(rng(), 30_000, 3)
    index = json.loads(files.pop("model.safetensors.index.json"))
    parameters = sum(check_safetensors(data) for data in files.values())
    assert sorted(files) == [f"model-0000{n}-of-00003.safetensors" for n in (1, 2, 3)]
    assert index["metadata"]["total_size"] == parameters * 2
    for tensor, shard in index["weight_map"].items():
        assert tensor in safetensors_header(files[shard])[0]


class Gguf:
    """A reader of GGUF version 3, from its specification."""

    def __init__(self, data: bytes) -> None:
        self.stream = io.BytesIO(data)
        assert self.stream.read(4) == b"GGUF"
        version, tensors, keys = self.take("<IQQ")
        assert version == 3
        self.keys = {self.text(): self.value() for _ in range(keys)}
        self.tensors = {self.text(): self.tensor() for _ in range(tensors)}
        self.data = -(-self.stream.tell() // 32) * 32

    def take(self, form: str) -> tuple[int, ...]:
        return struct.unpack(form, self.stream.read(struct.calcsize(form)))

    def text(self) -> str:
        return self.stream.read(self.take("<Q")[0]).decode()

    def value(self, kind: int | None = None) -> object:
        kind = self.take("<I")[0] if kind is None else kind
        if kind == 8:
            return self.text()
        if kind == 9:
            inner, count = self.take("<IQ")
            return [self.value(inner) for _ in range(count)]
        return self.take({4: "<I", 6: "<f", 7: "<?"}[kind])[0]

    def tensor(self) -> tuple[list[int], int, int]:
        shape = [self.take("<Q")[0] for _ in range(self.take("<I")[0])]
        kind, offset = self.take("<IQ")
        return shape, kind, offset


@pytest.mark.parametrize(("dtype", "block", "size"), [("F32", 1, 4), ("Q4_0", 32, 18)])
def test_gguf_keys_and_tensors_fill_the_file(dtype: str, block: int, size: int) -> None:
    data = weights.gguf(rng(), 20_000, dtype)
    read = Gguf(data)
    assert read.keys["general.architecture"] == "llama"
    assert read.keys["tokenizer.ggml.tokens"][-1] == "✓"
    end = 0
    for shape, _, offset in read.tensors.values():
        assert offset == end
        end += -(-(math.prod(shape) // block * size) // 32) * 32
    assert len(data) - read.data == end
    parameters = sum(math.prod(shape) for shape, _, _ in read.tensors.values())
    assert parameters == weights.gguf_parameters(20_000, dtype)


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protobuf message: number and value."""
    stream = io.BytesIO(data)

    def varint() -> int:
        value = shift = 0
        while True:
            (byte,) = stream.read(1)
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while stream.tell() < len(data):
        key = varint()
        yield key >> 3, (stream.read(varint()) if key & 7 == 2 else varint())


def test_an_onnx_model_holds_a_graph_whose_weight_has_its_shape() -> None:
    model = dict(fields(weights.onnx(rng(), 20_000)))
    assert model[1] == 8
    assert dict(fields(model[8]))[2] == 17
    graph = dict(fields(model[7]))
    assert dict(fields(graph[1]))[4] == b"MatMul"
    weight = list(fields(graph[5]))
    shape = [value for number, value in weight if number == 1]
    assert len(dict(weight)[9]) == math.prod(shape) * 4


def test_a_zip_checkpoint_holds_a_pickle_and_its_storages() -> None:
    data = pickles.zip_checkpoint(rng(), 20_000)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        state = archive.read("archive/data.pkl")
        sizes = [archive.getinfo(f"archive/data/{n}").file_size for n in range(3)]
    codes = list(pickletools.genops(state))
    pickletools.dis(state, io.StringIO())
    assert "torch._utils _rebuild_tensor_v2" in [value for _, value, _ in codes]
    counts = [value for code, value, _ in codes if code.name == "BININT"]
    assert {size // 4 for size in sizes} <= set(counts)


def test_a_legacy_checkpoint_is_five_pickles_and_then_storages() -> None:
    data = pickles.legacy_checkpoint(rng(), 20_000)
    stream = io.BytesIO(data)
    parts = []
    for _ in range(5):
        begin = stream.tell()
        pickletools.dis(stream, io.StringIO())
        parts.append(data[begin : stream.tell()])
    assert 0x1950A86A20F9469CFC6C in [value for _, value, _ in pickletools.genops(parts[0])]
    keys = [v for code, v, _ in pickletools.genops(parts[4]) if code.name == "BINUNICODE"]
    for _ in keys:
        (items,) = struct.unpack("<q", stream.read(8))
        stream.seek(items * 4, io.SEEK_CUR)
    assert keys == ["0", "1", "2"]
    assert stream.tell() == len(data)


def test_the_hostile_pickle_names_a_shell_to_whoever_reads_its_opcodes() -> None:
    codes = list(pickletools.genops(pickles.hostile_pickle()))
    assert [value for code, value, _ in codes if code.name == "GLOBAL"] == ["posix system"]
