"""Servers that lie, and packs that no git would write."""

import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from aiohttp import web
from liar import CAPABILITIES, SERVICE, Liar, bands, dripping, endless, refs_v0, refs_v2
from origins import USUAL
from raw import KINDS, Raw, copy, delta, head, packed, pkt, pkts, sealed, zeros, zeros_oid
from scene import MAIN, Case, Scene

CORRUPT, OVER, NETWORK = "failed corrupt", "skipped over_limit", "failed network"
NONE = "skipped unsupported"
ABSENT = "1" * 40
MIB = 2**20
ESCAPES = b"\x1b[2J\x1b]0;owned\x07\x9b31m\r\x08\xe2\x80\xae rate\n"


def liar(scene: Scene, **lies: object) -> Liar:
    """The truth about one harmless commit, but for these lies."""
    scene.plain()
    return Liar(scene.raw, scene.refs, **lies)  # type: ignore[arg-type]


def says(scene: Scene, **lies: object) -> Liar:
    return liar(scene, **lies)


def ours(change: Callable[[dict[str, str]], bytes], scene: Scene) -> Liar:
    """Lies in the list of refs that our own transport reads."""
    found = liar(scene)
    return replace(found, ours=change(found.refs))


def listed(change: Callable[[dict[str, str]], bytes], scene: Scene) -> Liar:
    """Lies in the list of refs that git reads."""
    found = liar(scene)
    return replace(found, listed=change(found.refs), partly=True)


def both(refs: Callable[[dict[str, str]], dict[str, str]], scene: Scene) -> Liar:
    """Both lists say the same, and neither is true."""
    found = liar(scene)
    return replace(found, refs=refs(found.refs))


def sent(change: Callable[[bytes], bytes], scene: Scene) -> Liar:
    """A pack that was meddled with."""
    found = liar(scene)
    return replace(found, sent=bands(change(found.raw.pack())))


def entries(more: Callable[[Raw], list[bytes]], scene: Scene, *, count: int | None = None) -> Liar:
    """The right objects, and something else besides."""
    found = liar(scene)
    right = [packed(kind, body) for kind, body in found.raw.held.values()]
    return replace(found, sent=bands(sealed([*right, *more(found.raw)], count)))


def without(kind: str, scene: Scene) -> Liar:
    """A pack that lacks an object."""
    found = liar(scene)
    kept = {oid: one for oid, one in found.raw.held.items() if one[0] != kind}
    return replace(found, sent=bands(Raw(kept).pack()))


def lacks_parent(scene: Scene) -> Liar:
    scene.refs[MAIN] = scene.raw.commit(scene.raw.files({b"x": b"x"}), ABSENT)
    return Liar(scene.raw, scene.refs)


def large(mib: int, scene: Scene) -> Liar:
    """A head with one file of so many MiB of zeros: a thousandth of it on the wire."""
    oid = zeros_oid(mib * MIB)
    tree = scene.raw.tree(("100644", b"zeros.bin", oid))
    scene.refs[MAIN] = scene.raw.commit(tree)
    right = [packed(kind, body) for kind, body in scene.raw.held.values()]
    blob = head(KINDS["blob"], mib * MIB) + zeros(mib * MIB)
    return Liar(scene.raw, scene.refs, sent=bands(sealed([*right, blob])))


def delta_bomb(scene: Scene) -> Liar:
    """A small delta that makes 4 GiB of a base of 15 MiB."""
    base, size = b"\0" * (15 * MIB), 15 * MIB
    oid = scene.raw.blob(base)
    found = liar(scene)
    right = [packed(kind, body) for kind, body in found.raw.held.values()]
    bomb = delta(oid, size, size * 273, copy(size) * 273)
    return replace(found, sent=bands(sealed([*right, bomb])))


def delta_chain(scene: Scene) -> Liar:
    """A thousand deltas, each on the one before: 1 MiB each when made whole."""
    base = b"\0" * MIB
    out, oid = [], scene.raw.blob(base)
    made = Raw()
    for number in range(1, 301):
        now = struct.pack(">I", number) * 8
        out.append(delta(oid, MIB, MIB, b"\x20" + now + b"\xf0" + struct.pack("<I", MIB - 32)[:3]))
        oid = made.blob(now + base[:-32])
        made.held.clear()
        base = now + base[:-32]
    found = liar(scene)
    right = [packed(kind, body) for kind, body in found.raw.held.values()]
    return replace(found, sent=bands(sealed([*right, *out])))


def deltas(one: Callable[[str, int], bytes], scene: Scene) -> Liar:
    """One delta on the harmless file."""
    found = liar(scene)
    oid = next(oid for oid, (kind, _) in found.raw.held.items() if kind == "blob")
    right = [packed(kind, body) for kind, body in found.raw.held.values()]
    return replace(found, sent=bands(sealed([*right, one(oid, 2)])))


def flipped(pack: bytes) -> bytes:
    return pack[:40] + bytes([pack[40] ^ 1]) + pack[41:]


def shrunk(raw: Raw) -> list[bytes]:
    """An object that says it has ten bytes, and has a million."""
    return [head(KINDS["blob"], 10) + zlib.compress(b"x" * MIB)]


def swollen(raw: Raw) -> list[bytes]:
    return [head(KINDS["blob"], 2**40) + zlib.compress(b"x" * 10)]


def dumb(scene: Scene) -> Liar:
    """A server of plain files, whose objects are said to lie elsewhere."""
    tip = scene.plain()
    found = Liar(scene.raw, scene.refs, ours=f"{tip}\t{MAIN}\n".encode(), media="text/plain")
    for name in ("objects/info/http-alternates", "objects/info/alternates"):
        found.paths[f"/meadow/bird/{name}"] = web.Response(text=f"{scene.canary}/objects\n")
    return found


def dumb_for_git(scene: Scene) -> Liar:
    """Refs for us; for git loose objects, some of which are said to lie elsewhere."""
    found = liar(scene)
    plain = f"{scene.refs[MAIN]}\t{MAIN}\n".encode()
    for name in ("objects/info/http-alternates", "objects/info/alternates"):
        found.paths[f"/meadow/bird/{name}"] = web.Response(text=f"{scene.canary}/objects\n")
    found.paths["/meadow/bird/HEAD"] = web.Response(text=f"ref: {MAIN}\n")
    for oid, (kind, body) in found.raw.held.items():
        loose = zlib.compress(f"{kind} {len(body)}\0".encode() + body)
        found.paths[f"/meadow/bird/objects/{oid[:2]}/{oid[2:]}"] = web.Response(body=loose)
    return replace(found, capabilities=plain, dumb=True, partly=True)


def elsewhere(words: str, scene: Scene) -> Liar:
    """Capabilities that point at other servers, and an answer to go with it."""
    known = SERVICE + pkts([*CAPABILITIES, words.replace("CANARY", scene.canary) + "\n"])
    return liar(scene, capabilities=known, partly=True)


def uris(scene: Scene, *, partly: bool = False) -> Liar:
    """A pack that is to be had from another server, though nobody asked."""
    found = liar(scene)
    where = pkt(f"{'0' * 40} {scene.canary}/pack\n")
    before = pkt("packfile-uris\n") + where + b"0001"
    return replace(found, sent=bands(found.raw.pack(), before=before), partly=partly)


def whispers(last: bytes, scene: Scene) -> Liar:
    """Escape sequences for the terminal, and then the end."""
    found = liar(scene)
    return replace(found, sent=bands(b"", ESCAPES)[:-4] + last)


def to_main(oid: str, refs: dict[str, str]) -> dict[str, str]:
    return {MAIN: oid}


def v0(line: bytes, refs: dict[str, str]) -> bytes:
    return SERVICE + pkt(line) + refs_v0(refs)[len(SERVICE) :]


def first(name: str, more: str, refs: dict[str, str]) -> bytes:
    """A list of refs whose first line names ``name``, with capabilities of our choice."""
    return SERVICE + pkts(
        [f"{refs[MAIN]} {name}\0side-band-64k {more}\n", f"{refs[MAIN]} {MAIN}\n"]
    )


def endless_refs(refs: dict[str, str]) -> bytes:
    rows = "".join(
        f"{len(r) + 4:04x}{r}" for r in (f"{refs[MAIN]} refs/tags/{n}\n" for n in range(10**6))
    )
    return SERVICE + pkt(f"{refs[MAIN]} HEAD\0x\n") + rows.encode() + b"0000"


def gone_head(refs: dict[str, str]) -> bytes:
    return SERVICE + pkts([f"{ABSENT} HEAD\0side-band-64k\n", f"{refs[MAIN]} {MAIN}\n"])


def peeled(refs: dict[str, str]) -> bytes:
    tip = refs[MAIN]
    rows = [f"{tip} HEAD\0side-band-64k symref=HEAD:{MAIN}\n", f"{tip} {MAIN}\n"]
    return SERVICE + pkts([*rows, f"{tip} refs/tags/t\n", f"{ABSENT} refs/tags/t^{{}}\n"])


SMALL = replace(USUAL, max_pack=2 * MIB)
TINY = 2.0
HTML = b"<!doctype html><title>Sign in to the network</title>"
PROGRESS = pkt(b"\x02still counting\r")

SERVERS = (
    Case("the truth, told by hand", liar),
    Case("a web page for an answer", partial(says, ours=HTML, media="text/html"), NETWORK),
    Case("a web page under git's media type", partial(says, ours=HTML), NETWORK),
    Case("refs under another media type", partial(says, media="text/plain"), CORRUPT),
    Case("an empty answer", partial(says, ours=b"\0"[:0] or b"0"), CORRUPT),
    Case("a dumb server with http-alternates", dumb, CORRUPT),
    Case("a dumb server for git alone", dumb_for_git, CORRUPT),
    Case(
        "version 1 to a question in version 0", partial(ours, partial(v0, b"version 1\n")), CORRUPT
    ),
    Case(
        "version 2 to a question in version 0",
        partial(says, ours=SERVICE + pkts(CAPABILITIES)),
        CORRUPT,
    ),
    Case(
        "an error in the list", partial(says, ours=SERVICE + pkts([b"ERR \x1b[2Jgo away"])), CORRUPT
    ),
    Case(
        "oids of sha256",
        partial(says, ours=SERVICE + pkts([f"{'a' * 64} HEAD\0x\n"])),
        NONE,
    ),
    Case(
        "object-format=sha256 for git",
        partial(
            says,
            capabilities=SERVICE + pkts([*CAPABILITIES[:-1], "object-format=sha256\n"]),
            partly=True,
        ),
        CORRUPT,
    ),
    Case(
        "a shallow line in the list",
        partial(ours, lambda r: refs_v0(r, after=(f"shallow {ABSENT}\n",))),
        CORRUPT,
    ),
    Case("a million refs", partial(ours, endless_refs), CORRUPT),
    Case(
        "a list of refs without end",
        partial(says, ours=endless(SERVICE, pkt(f"{ABSENT} refs/tags/x\n"))),
        CORRUPT,
    ),
    Case(
        "a list without end for git alone",
        partial(says, capabilities=endless(SERVICE, pkt("agent=x\n")), partly=True),
        OVER,
    ),
    Case(
        "refs without end for git alone",
        partial(says, listed=endless(b"", pkt(f"{ABSENT} refs/tags/x\n")), partly=True),
        OVER,
    ),
    Case(
        "a symref to nowhere", partial(ours, partial(first, "HEAD", "symref=HEAD:refs/heads/none"))
    ),
    Case("a symref out of refs", partial(ours, partial(first, "HEAD", "symref=HEAD:../../config"))),
    Case(
        "two symrefs",
        partial(ours, partial(first, "HEAD", "symref=HEAD:refs/heads/a symref=HEAD:refs/heads/b")),
    ),
    Case("capabilities of escapes", partial(ours, partial(first, "HEAD", "\x1b[2J \x07 =;="))),
    Case("HEAD at an absent commit", partial(ours, gone_head), CORRUPT),
    Case("a tag that is peeled to nowhere, it says", partial(ours, peeled)),
    Case(
        "refs/heads/../../config",
        partial(ours, partial(first, "refs/heads/../../config", "x")),
        CORRUPT,
    ),
    Case(
        "refs/heads/main.lock", partial(ours, partial(first, "refs/heads/main.lock", "x")), CORRUPT
    ),
    Case("a ref with a colon", partial(ours, partial(first, "refs/heads/a:b", "x")), CORRUPT),
    Case("a ref of no commit at all", partial(both, partial(to_main, "0" * 40)), CORRUPT),
    Case("a tip that is not there", partial(both, partial(to_main, ABSENT)), CORRUPT),
    Case(
        "other refs for git than for us",
        partial(listed, lambda r: refs_v2({**r, "refs/heads/x": r[MAIN]})),
        CORRUPT,
    ),
    Case("no refs for git", partial(listed, lambda r: b"0000"), CORRUPT),
    Case(
        "evil refs for git alone",
        partial(listed, lambda r: refs_v2({**r, "refs/heads/../../x": r[MAIN]})),
    ),
    Case("promisor-remote", partial(elsewhere, "promisor-remote=name=x,url=CANARY/x")),
    Case("bundle-uri", partial(elsewhere, "bundle-uri")),
    Case(
        "push-options, object-info and nonsense",
        partial(elsewhere, "push-options object-info=\x1b x=y=z"),
    ),
    Case("packfile-uris", uris, CORRUPT),
    Case("packfile-uris for git alone", partial(uris, partly=True), CORRUPT),
    Case(
        "no side bands",
        partial(ours, lambda r: refs_v0(r).replace(b"side-band-64k", b"sidebandless!")),
        NONE,
    ),
    Case(
        "words for the terminal, then an error",
        partial(whispers, pkt(b"\x03" + ESCAPES) + b"0000"),
        NETWORK,
    ),
    Case("words for the terminal, then nothing", partial(whispers, b""), NETWORK),
    Case(
        "words for the terminal, then the pack",
        lambda s: replace(f := liar(s), sent=bands(f.raw.pack(), ESCAPES)),
    ),
    Case(
        "progress without end",
        partial(says, sent=endless(pkt("packfile\n"), PROGRESS)),
        CORRUPT,
    ),
    Case(
        "progress without end, now and then",
        partial(says, sent=dripping(pkt("packfile\n"), PROGRESS)),
        NETWORK,
        deadline_s=TINY,
    ),
    Case(
        "a pack without end",
        partial(says, sent=endless(pkt("packfile\n"), pkt(b"\x01" + bytes(65000)))),
        CORRUPT,
        setting=SMALL,
    ),
    Case(
        "an endless pack of noise",
        partial(
            says,
            sent=endless(
                pkt("packfile\n") + pkt(b"\x01" + b"PACK\0\0\0\x02\0\x10\0\0"),
                pkt(b"\x01" + (head(3, 0) + zlib.compress(b"")) * 4000),
            ),
        ),
        OVER,
        setting=SMALL,
    ),
    Case("a pack cut short", partial(sent, lambda p: p[:60]), NETWORK),
    Case("a pack without its checksum", partial(sent, lambda p: p[:-20]), NETWORK),
    Case("a pack with a wrong checksum", partial(sent, lambda p: p[:-20] + b"x" * 20), CORRUPT),
    Case("a pack with a flipped bit", partial(sent, flipped), CORRUPT),
    Case("a pack with rubbish after it", partial(sent, lambda p: p + b"rubbish" * 1000), CORRUPT),
    Case("no pack but text", partial(sent, lambda p: b"GIF89a" * 100), CORRUPT),
    Case("a pack of version 9", partial(sent, lambda p: p[:4] + b"\0\0\0\x09" + p[8:]), CORRUPT),
    Case("an empty pack", lambda s: replace(liar(s), sent=bands(sealed([]))), CORRUPT),
    Case("fewer objects than it says", partial(entries, lambda r: [], count=99), CORRUPT),
    Case("more objects than it says", partial(entries, lambda r: [], count=1), CORRUPT),
    Case("four thousand million objects", partial(entries, lambda r: [], count=2**32 - 1), CORRUPT),
    Case("a hundred million objects", partial(entries, lambda r: [], count=10**8), OVER),
    Case(
        "an object of type 0",
        partial(entries, lambda r: [head(0, 1) + zlib.compress(b"x")]),
        CORRUPT,
    ),
    Case(
        "an object of type 5",
        partial(entries, lambda r: [head(5, 1) + zlib.compress(b"x")]),
        CORRUPT,
    ),
    Case(
        "no zlib where zlib should be",
        partial(entries, lambda r: [head(3, 4) + b"\xff" * 40]),
        CORRUPT,
    ),
    Case("an object larger than it says", partial(entries, shrunk), CORRUPT),
    Case("an object of one tebibyte, it says", partial(entries, swollen), CORRUPT),
    Case(
        "the same object twice",
        partial(entries, lambda r: [packed(*next(iter(r.held.values())))]),
        CORRUPT,
    ),
    Case("objects nobody asked for", partial(entries, lambda r: [packed("blob", b"unasked")])),
    Case("a pack without the blobs", partial(without, "blob"), CORRUPT),
    Case("a pack without the trees", partial(without, "tree"), CORRUPT),
    Case("a pack without the commits", partial(without, "commit"), CORRUPT),
    Case("a commit without its parent", lacks_parent, CORRUPT),
    Case(
        "a delta of an absent object",
        partial(deltas, lambda o, n: delta(ABSENT, n, n, copy(n))),
        CORRUPT,
    ),
    Case(
        "a delta of the wrong size",
        partial(deltas, lambda o, n: delta(o, 999, n, copy(n))),
        CORRUPT,
    ),
    Case(
        "a delta that reads past its base",
        partial(deltas, lambda o, n: delta(o, n, 9**5, copy(9**5))),
        CORRUPT,
    ),
    Case(
        "a delta with a reserved step",
        partial(deltas, lambda o, n: delta(o, n, n, b"\0\0")),
        CORRUPT,
    ),
    Case("a chain of 300 deltas", delta_chain),
    Case("a delta bomb of 4 GiB", delta_bomb, OVER),
    Case("a file of 300 MiB of zeros", partial(large, 300)),
)
