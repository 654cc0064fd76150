"""Refs, commits, tags and pointers that no honest person makes."""

from functools import partial

from raw import WHO, Raw
from scene import MAIN, Case, Scene

from ptmtorrent.model.oid import Pointer, sha256_of

CORRUPT, OVER, GONE = "failed corrupt", "skipped over_limit", "skipped missing_at_origin"
ABSENT = "1" * 40
SHA = "a" * 64


def ref(name: bytes, scene: Scene) -> None:
    """One more ref, of any name, that a server announces."""
    scene.refs[name.decode("utf-8", "surrogateescape")] = scene.plain()


def two_refs(one: str, two: str, scene: Scene) -> None:
    scene.refs |= {one: scene.plain(), two: scene.plain(message=b"2\n")}


def many_refs(scene: Scene) -> None:
    tip = scene.plain()
    scene.refs |= {f"refs/tags/{n}": tip for n in range(20_000)}


def kept_to_itself(scene: Scene) -> None:
    """Refs that say "take this object for that one", and notes: none of our business."""
    tip = scene.plain()
    other = scene.raw.commit(scene.raw.files({b"evil": b"evil"}))
    scene.refs |= {f"refs/replace/{tip}": other, "refs/notes/commits": other}
    scene.refs["refs/pull/1/head"] = other


def grafted(scene: Scene) -> None:
    """Grafts, alternates and hooks in the server's own directory stay the server's."""
    scene.plain()
    path = scene.origin.path
    for name, text in (
        ("info/grafts", f"{scene.refs[MAIN]}\n"),
        ("objects/info/http-alternates", f"{scene.canary}/objects\n"),
        ("hooks/post-checkout", "#!/bin/sh\ntouch MARK\n"),
    ):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)


def borrowed(scene: Scene) -> None:
    """A server whose objects are all borrowed by ``info/alternates``; we see one pack."""
    scene.plain()
    info = scene.origin.path / "objects/info"
    info.mkdir(parents=True)
    (info / "alternates").write_text(str(scene.origin.world / "elsewhere"))


def chain(length: int, scene: Scene) -> None:
    """A tag of a tag of a tag."""
    oid = scene.raw.tag(scene.plain())
    for _ in range(length):
        oid = scene.raw.tag(oid, kind=b"tag")
    scene.refs["refs/tags/chain"] = oid


def tag_of(kind: str, scene: Scene) -> None:
    scene.plain()
    oid = next(oid for oid, (known, _) in scene.raw.held.items() if known == kind)
    scene.refs["refs/tags/t"] = scene.raw.tag(oid, kind=kind.encode())


def tag_called(name: bytes, scene: Scene) -> None:
    scene.refs["refs/tags/t"] = scene.raw.tag(scene.plain(), name)


def commit(scene: Scene, **more: bytes) -> None:
    scene.plain(**more)


def raw_commit(text: bytes, scene: Scene) -> None:
    """A commit written as it is, of a real tree."""
    tree = scene.raw.files({b"config.json": b"{}"}).encode()
    scene.refs[MAIN] = scene.raw.add("commit", text.replace(b"TREE", tree).replace(b"WHO", WHO))


def many_parents(scene: Scene) -> None:
    parents = [scene.raw.commit(scene.raw.files({}), message=b"%d" % n) for n in range(500)]
    scene.refs[MAIN] = scene.raw.commit(scene.raw.files({b"x": b"x"}), *parents)


def own_parent_twice(scene: Scene) -> None:
    tip = scene.plain()
    scene.refs[MAIN] = scene.raw.commit(scene.raw.files({}), tip, tip)


def pointer(text: bytes, scene: Scene) -> None:
    """A file that looks like an LFS pointer, as plain as day or not quite."""
    scene.head(scene.raw.files({b"model.bin": text}))


def pointer_at(mode: str, scene: Scene) -> None:
    oid = scene.raw.blob(Pointer(SHA, 5).to_bytes())
    scene.head(scene.raw.tree((mode, b"model.bin", oid)))


def itself(scene: Scene) -> None:
    """Pointers that name each other's sha256, and so nothing there is."""
    text = Pointer(SHA, 127).to_bytes()
    again = Pointer(sha256_of(text), len(text)).to_bytes()
    scene.head(scene.raw.files({b"a": text, b"b": again}))


def newlines(mib: int, scene: Scene) -> None:
    """A file of empty lines, which a diff would keep one by one."""
    scene.head(scene.raw.files({b"x": b"\n" * (mib * 2**20)}))


POINTER = Pointer(SHA, 5).to_bytes()
LINES = POINTER.split(b"\n")
PEOPLE = b"".join(
    b"Signed-off-by: Nm%dx Foo%d <u%d@h%d.org>\n" % (n, n, n, n) for n in range(10_000)
)
GPG = b"gpgsig -----BEGIN PGP SIGNATURE-----\n" + b" " + b"A" * 76 + b"\n"
BODY = b"tree TREE\nauthor WHO\ncommitter WHO\n"
OTHERWISE = Raw().commit(ABSENT)

_REFS = (
    b"refs/heads/-rf", b"refs/heads/--upload-pack=touch", b"refs/tags/-rf", b"refs/heads/HEAD",
    b"refs/heads/" + b"a" * 40, b"refs/heads/refs/heads/main", b"refs/heads/@", b"refs/tags/main",
    b"refs/heads/\xff\xfe", "refs/heads/\u202etxt".encode(), b"refs/heads/" + b"n" * 240,
    b"refs/heads/$(touch${IFS}MARK)", b"refs/heads/;x|y&z", b"refs/heads/%2e%2e", b"refs/heads/CON",
    b"refs/heads/a/b/c/d/e/f/g/h/i/j", "refs/heads/e\u0301".encode(), b"refs/tags/v1{}x",
    b"refs/heads/'\"",
)  # fmt: skip
_ILLEGAL = (
    b"refs/heads/a..b", b"refs/heads/.git", b"refs/heads/git~1", b"refs/heads/a b",
    b"refs/heads/a^{}b", b"refs/heads/a@{1}", b"refs/heads/a.lock", b"refs/heads/a\x7f",
)  # fmt: skip
_POINTERS = (
    ("a size of 2**63", b"\n".join([*LINES[:2], b"size 9223372036854775808", b""])),
    ("a negative size", b"\n".join([*LINES[:2], b"size -1", b""])),
    ("a size with a sign", b"\n".join([*LINES[:2], b"size +5", b""])),
    ("a size of 1e3", b"\n".join([*LINES[:2], b"size 1e3", b""])),
    ("two sizes", POINTER + b"size 5\n"),
    ("two oids", b"\n".join([LINES[0], LINES[1], LINES[1], LINES[2], b""])),
    ("CRLF", POINTER.replace(b"\n", b"\r\n")),
    ("upper-case digits", POINTER.replace(b"a" * 64, b"A" * 64)),
    ("a short oid", POINTER.replace(b"a" * 64, b"a" * 63)),
    ("an oid with a path in it", POINTER.replace(b"a" * 64, b"../" * 21 + b"a")),
    ("a megabyte", POINTER + b"x" * 2**20),
    ("no last line feed", POINTER.rstrip(b"\n")),
    ("NUL", POINTER + b"\0"),
    ("keys out of order", b"\n".join([LINES[0], LINES[2], LINES[1], b""])),
    ("a made-up key", b"\n".join([LINES[0], LINES[1], LINES[2], b"zz x", b""])),
)

HISTORIES = (
    *(Case(f"ref {name[:40]!r}", partial(ref, name)) for name in _REFS),
    *(Case(f"illegal ref {name!r}", partial(ref, name), CORRUPT) for name in _ILLEGAL),
    Case("refs that differ in case", partial(two_refs, "refs/heads/a", "refs/heads/A")),
    Case("a ref below a ref", partial(two_refs, "refs/heads/a", "refs/heads/a/b"), CORRUPT),
    Case("20,000 refs", many_refs),
    Case("replacements, notes and pull requests", kept_to_itself),
    Case("grafts, http-alternates and hooks at the server", grafted),
    Case("alternates at the server", borrowed),
    Case("a chain of 2,000 tags", partial(chain, 2000)),
    Case("a tag of a blob", partial(tag_of, "blob")),
    Case("a tag of a tree", partial(tag_of, "tree")),
    Case("a tag whose name is an option", partial(tag_called, b"--exec=touch MARK")),
    Case("a tag whose name clears the screen", partial(tag_called, b"\x1b[2J")),
    Case("no author", partial(raw_commit, b"tree TREE\ncommitter WHO\n\nx\n"), CORRUPT),
    Case("no committer", partial(raw_commit, b"tree TREE\nauthor WHO\n\nx\n"), CORRUPT),
    Case("nothing but a tree", partial(raw_commit, b"tree TREE\n"), GONE),
    Case(
        "two authors",
        partial(raw_commit, b"tree TREE\nauthor WHO\n" + BODY[10:] + b"\nx\n"),
        CORRUPT,
    ),
    Case("the year 2**63", partial(commit, author=b"E <e@x> 9223372036854775808 +0000"), CORRUPT),
    Case("the year 10,000", partial(commit, author=b"E <e@x> 253402300800 +0000")),
    Case("a negative time", partial(commit, author=b"E <e@x> -1 +0000"), CORRUPT),
    Case("a zone of 99:99", partial(commit, author=b"E <e@x> 1700000000 +9999")),
    Case("a zone without end", partial(commit, author=b"E <e@x> 1700000000 +" + b"9" * 300)),
    Case(
        "an author of escapes",
        partial(commit, author=b"\x1b[2J\x07 <\x1b]0;x\x07> 1700000000 +0000"),
    ),
    Case(
        "an author of 100 kB", partial(commit, author=b"E" * 100_000 + b" <e@x> 1700000000 +0000")
    ),
    Case("an author of no UTF-8", partial(commit, author=b"\xff\xfe <\xff@x> 1700000000 +0000")),
    Case(
        "angle brackets in a name", partial(commit, author=b"a<b>c <e@x> 1700000000 +0000"), CORRUPT
    ),
    Case(
        "an encoding that lies",
        partial(commit, extra=b"encoding UTF-16\n", message=b"\xff\xfe\xd8"),
    ),
    Case("an encoding that runs code", partial(commit, extra=b"encoding zlib_codec\n")),
    Case("an encoding of 10 kB", partial(commit, extra=b"encoding " + b"x" * 10_000 + b"\n")),
    Case("NUL in a header", partial(raw_commit, BODY + b"x\0y\n\nx\n"), CORRUPT),
    Case("NUL in the message", partial(commit, message=b"a\0b\n"), CORRUPT),
    Case(
        "a message of escapes", partial(commit, message=b"\x1b[2J\x1b]8;;http://x\x07\xc2\x9b31m\n")
    ),
    Case(
        "a message of surrogates",
        partial(commit, message="\ud800".encode("utf-8", "surrogatepass")),
    ),
    Case("a message of 2 MB", partial(commit, message=b"x" * 2**21), told=OVER),
    Case("10,000 people in trailers", partial(commit, message=b"x\n\n" + PEOPLE)),
    Case("a trailer of 900 kB", partial(commit, message=b"x\n\nSigned-off-by: " + b"x" * 900_000)),
    Case("a signature of 2 MB", partial(commit, extra=GPG + GPG[37:] * 26_000), told=OVER),
    Case("a signature of 500 kB", partial(commit, extra=GPG + GPG[37:] * 6_000)),
    Case(
        "a signature that is none", partial(commit, extra=b"gpgsig \xff\0x\n".replace(b"\0", b""))
    ),
    Case("headers nobody knows", partial(commit, extra=b"HG:x y\n" * 5_000)),
    Case("a merge of 500", many_parents),
    Case("the same parent twice", own_parent_twice),
    *(Case(f"a pointer with {what}", partial(pointer, text)) for what, text in _POINTERS),
    Case("a pointer of eight exbibytes", partial(pointer, Pointer(SHA, 2**63 - 1).to_bytes())),
    Case("a pointer to nothing", partial(pointer, POINTER)),
    Case("a pointer at a link", partial(pointer_at, "120000")),
    Case("pointers that name each other", itself),
    Case("60 MiB of empty lines", partial(newlines, 60)),
    Case("7 MiB of empty lines", partial(newlines, 7), told=OVER),
)
