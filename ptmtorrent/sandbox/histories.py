"""The history of each package: what is committed, in which order, on which branch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ptmtorrent.model.oid import Pointer, sha256_of
from ptmtorrent.sandbox import cards, pickles, weights
from ptmtorrent.sandbox.chance import dice
from ptmtorrent.sandbox.objects import EXECUTABLE, SYMLINK, Stamp
from ptmtorrent.sandbox.recipes import Recipe, Role, Trait
from ptmtorrent.sandbox.writer import Hands, Writer

LARGE_TEXT_BYTES = 1_300_000
LARGE_BINARY_BYTES = 1_200_000

HOSTILE_PATHS = (
    b"two words.txt",
    b"[bold]loud[not].txt",
    b"(1) {2} 'q' \"dq\" $HOME `x`.txt",
    "notes/モデル/説明.md".encode(),
    "nai\u0308ve-nfd.txt".encode(),
    "naïve-nfc.txt".encode(),
    b"esc\x1b[31mred\x07.txt",
    b"latin-\xe9.txt",
    b"line\nbreak.txt",
    b"back\\slash:colon.txt",
    b"-rf",
    b"%2e%2e%2fup.txt",
    b" leading and trailing ",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What all packages of one world have in common: its seed, and the size of weight files.

    Attributes:
        blob_bytes: size of every weight file; None for sizes from 2 to 300 KB.
    """

    seed: int
    blob_bytes: int | None = None

    def size(self, *labels: object) -> int:
        """About how many bytes of weights the labelled file has."""
        if self.blob_bytes is not None:
            return self.blob_bytes
        return dice(self.seed, "size", *labels).choice((2, 60, 150, 220, 300)) * 1000


def write(plan: Plan, recipe: Recipe) -> Writer:
    """The whole repository of a package; an empty one has no commit at all."""
    writer = Writer(plan.seed, "huggingface", dice(plan.seed, "history", recipe.id), recipe.created)
    if recipe.trait is Trait.EMPTY:
        return writer
    files = weights_of(plan, recipe)
    _upload(writer, recipe, files)
    if recipe.number % 2 == 0:
        _train_longer(writer, files)
    if recipe.trait in _TOUCHES:
        _TOUCHES[recipe.trait](writer)
    if recipe.number % 3 == 0 or recipe.trait is Trait.BRANCHES:
        _branch(writer, merge=recipe.number % 2 == 0)
    _tags(writer, recipe.number)
    return writer


def weights_of(plan: Plan, recipe: Recipe) -> dict[str, bytes]:
    """The weight files of a package's head; a copy has the very bytes of its base."""
    seed, family = plan.seed, recipe.family
    shared, own = ("family", family.number), ("package", recipe.number)
    arguments = pickles.arguments_pickle(dice(seed, *shared, "arguments"))
    match recipe.role:
        case Role.BASE | Role.COPY:
            size, rng = plan.size(*shared), dice(seed, *shared)
            old = family.number % 2 == 0
            checkpoint = pickles.legacy_checkpoint if old else pickles.zip_checkpoint
            return {
                "model.safetensors": weights.safetensors(rng, size),
                "onnx/model.onnx": weights.onnx(rng, size // 2),
                "pytorch_model.bin" if old else "model.pt": checkpoint(rng, size),
                "training_args.bin": arguments,
            }
        case Role.FINETUNE:
            size, rng = plan.size(*own), dice(seed, *own)
            if family.number % 2:
                files = {"model.safetensors": weights.safetensors(rng, size, "F16")}
            else:
                files = weights.safetensors_shards(rng, size, 2)
            return files | {"training_args.bin": arguments}
        case Role.QUANTIZED:
            rng, name = dice(seed, *own), family.series
            return {
                f"{name}.{kind}.gguf": weights.gguf(rng, plan.size(*own, kind), kind, name)
                for kind in ("Q4_0", "Q8_0")
            }


def _upload(writer: Writer, recipe: Recipe, files: Mapping[str, bytes]) -> None:
    writer.put(".gitattributes", cards.GITATTRIBUTES)
    writer.commit_on_web("initial commit")
    if recipe.role is not Role.QUANTIZED:
        writer.put("config.json", cards.json_bytes(cards.config_of(recipe)))
        writer.put("tokenizer_config.json", cards.json_bytes({"bos_token": "<s>", "unk": "✓"}))
    if recipe.trait is Trait.SMALL_BINARY:
        writer.put("pytorch_model.bin", pickles.legacy_checkpoint(writer.rng, 4000))
        writer.put("onnx/model.onnx", weights.onnx(writer.rng, 6000))
    else:
        writer.put_weights(files)
    writer.commit("Upload model")
    writer.put("README.md", cards.readme(recipe, cards.card_of(writer.seed, recipe)))
    writer.commit_on_web("Update README.md")


def _train_longer(writer: Writer, files: Mapping[str, bytes]) -> None:
    head = dict(writer.files)
    writer.put_large("checkpoint-1/model.safetensors", weights.safetensors(writer.rng, 8000))
    writer.commit("Add a checkpoint\n\nCo-authored-by: fern <fern@example.nz>")
    writer.files = head
    writer.put("train.log", "".join(f"wrote {path}\n" for path in files).encode())
    writer.commit("Remove the checkpoint again, keep its log")


def _branch(writer: Writer, *, merge: bool) -> None:
    branch, start = "refs/heads/longer-context", writer.refs["refs/heads/main"]
    main, writer.refs[branch] = dict(writer.files), start
    writer.put("long/config.json", cards.json_bytes({"max_length": 8192}))
    tip = writer.commit("Try a longer context", branch)
    if merge:
        writer.commit("Merge branch 'longer-context'", merged=tip)
    else:
        writer.files = main


def _tags(writer: Writer, number: int) -> None:
    head = writer.refs["refs/heads/main"]
    if number % 4 == 1:
        writer.refs["refs/tags/v1.0"] = head
    elif number % 4 == 2:
        writer.tag("v1.1", head, signed=number % 8 == 2)


def _hostile_paths(writer: Writer) -> None:
    for path in HOSTILE_PATHS:
        writer.put(path, b"name: " + path + b"\n")
    writer.commit("Add files with [red]names[/red] \x1b[1mto survive")


def _large_text(writer: Writer) -> None:
    words = ["tern", "wader", "tide", "mud", "ebb", "flock", "Ōkārito"]
    lines, size = [], 0
    while size < LARGE_TEXT_BYTES:
        line = " ".join(writer.rng.choices(words, k=40)).encode()
        lines.append(line)
        size += len(line) + 1
    writer.put("merges.txt", b"\n".join(lines) + b"\n")
    writer.commit("Add the vocabulary")


def _large_binary(writer: Writer) -> None:
    writer.put("flax_model.msgpack", writer.rng.randbytes(LARGE_BINARY_BYTES))
    writer.commit("Add weights without git-lfs")


def _lfsconfig(writer: Writer) -> None:
    writer.put(".lfsconfig", cards.LFSCONFIG)
    writer.commit("Set up our mirror")


def _missing_object(writer: Writer) -> None:
    data = writer.rng.randbytes(5000)
    writer.put("optimizer.pt", Pointer(sha256_of(data), len(data)).to_bytes())
    writer.commit("Add optimizer state (upload interrupted)")


def _odd_modes(writer: Writer) -> None:
    writer.put("latest.safetensors", b"model.safetensors", SYMLINK)
    writer.put("outside", b"../../../etc/passwd", SYMLINK)
    writer.put("scripts/train.sh", b"#!/bin/sh\necho never run\n", EXECUTABLE)
    writer.put("a/b/c/d/e/f/deep.txt", b"deep\n")
    writer.put("empty.txt", b"")
    writer.put("almost.bin", b"version https://git-lfs.github.com/spec/v1\r\noid sha256:no\n")
    writer.commit("Add links, scripts and nothing")


def _unsafe_pickle(writer: Writer) -> None:
    writer.put("supposedly_safe.pkl", pickles.hostile_pickle())
    writer.put_large("saved/danger.pt", pickles.hostile_pickle())
    writer.commit("Nothing to see here")


def _old_encoding(writer: Writer) -> None:
    writer.at += 60
    author = Stamp("Jürgen Möwe", "juergen@example.org", writer.at, 60)
    writer.put("LICENSE", "© Jürgen Möwe\n".encode("latin-1"))
    writer.record(Hands(author, author, encoding="ISO-8859-1"), "Füge die Lizenz hinzu")


_TOUCHES: Mapping[Trait | None, Callable[[Writer], None]] = {
    Trait.HOSTILE_PATHS: _hostile_paths,
    Trait.LARGE_TEXT: _large_text,
    Trait.LARGE_BINARY: _large_binary,
    Trait.LFSCONFIG: _lfsconfig,
    Trait.MISSING_OBJECT: _missing_object,
    Trait.ODD_MODES: _odd_modes,
    Trait.UNSAFE_PICKLE: _unsafe_pickle,
    Trait.OLD_ENCODING: _old_encoding,
}
