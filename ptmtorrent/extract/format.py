"""What kind of file something is: by its first bytes where they tell, else by its name."""

MAGIC_BYTES = 16
"""How many first bytes ``format_of`` looks at."""

_MAGIC = (
    (0, b"GGUF", "gguf"),
    (0, b"\x89HDF\r\n\x1a\n", "hdf5"),
    (4, b"TFL3", "tflite"),
    (0, b"\x93NUMPY", "npy"),
    (0, b"PAR1", "parquet"),
    (0, b"ARROW1", "arrow"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"%PDF-", "pdf"),
    (0, b"\x89PNG\r\n\x1a\n", "image"),
    (0, b"\xff\xd8\xff", "image"),
    (0, b"GIF8", "image"),
)
_ZIP = b"PK\x03\x04"
_PICKLES = tuple(b"\x80" + bytes([protocol]) for protocol in range(2, 6))
_TORCH_NAMES = ("pt", "pth", "bin", "ckpt")
_BY_EXTENSION = {
    "safetensors": ("safetensors",),
    "gguf": ("gguf",),
    "onnx": ("onnx",),
    "tflite": ("tflite",),
    "hdf5": ("h5", "hdf5"),
    "keras": ("keras",),
    "msgpack": ("msgpack",),
    "pickle": ("pkl", "pickle", "joblib"),
    "torch": _TORCH_NAMES,
    "protobuf": ("pb", "pbtxt", "prototxt", "caffemodel"),
    "npy": ("npy",),
    "npz": ("npz",),
    "zip": ("zip",),
    "gzip": ("gz", "tgz"),
    "tar": ("tar",),
    "parquet": ("parquet",),
    "arrow": ("arrow", "feather"),
    "json": ("json", "jsonl"),
    "yaml": ("yaml", "yml"),
    "toml": ("toml",),
    "csv": ("csv", "tsv"),
    "xml": ("xml",),
    "markdown": ("md", "markdown"),
    "notebook": ("ipynb",),
    "python": ("py",),
    "text": ("txt", "rst"),
    "html": ("html", "htm"),
    "pdf": ("pdf",),
    "image": ("png", "jpg", "jpeg", "gif", "webp", "svg", "bmp"),
    "audio": ("wav", "mp3", "flac", "ogg"),
    "video": ("mp4", "webm", "mov"),
}
_EXTENSIONS = {ending: name for name, endings in _BY_EXTENSION.items() for ending in endings}


def format_of(path: str, start: bytes) -> str | None:
    """The format of a file, or None when neither its first bytes nor its name tell.

    Args:
        path: its path; only the ending counts.
        start: its first ``MAGIC_BYTES`` bytes, or nothing when they are not here. Then ``torch``
            is a PyTorch file of either kind: with its bytes it is ``torch_zip`` or ``pickle``.
    """
    _, dot, ending = path.rpartition("/")[2].lower().rpartition(".")
    ending = ending if dot else ""
    return _by_magic(ending, start) or _EXTENSIONS.get(ending)


def _by_magic(ending: str, start: bytes) -> str | None:
    if start.startswith(_ZIP):
        named = _EXTENSIONS.get(ending)
        return "torch_zip" if named == "torch" else named if named in ("npz", "keras") else "zip"
    if start.startswith(_PICKLES) and _EXTENSIONS.get(ending) in ("torch", "pickle"):
        return "pickle"
    if len(start) > 8 and start[8:9] == b"{" and 1 < int.from_bytes(start[:8], "little") < 10**8:
        return "safetensors"
    return next((name for at, magic, name in _MAGIC if start.startswith(magic, at)), None)
