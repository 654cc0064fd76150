"""Trees that no honest person makes: names, modes, links, submodules, sizes."""

from functools import partial

from raw import row
from scene import Case, Scene

MARK = "touch MARK"


def named(name: bytes, scene: Scene) -> None:
    """A file of this name beside a harmless one."""
    scene.head(scene.raw.files({b"config.json": b"{}", name: b"x"}))


def folder(name: bytes, scene: Scene) -> None:
    """A directory of this name, with a hook in it."""
    inside = scene.raw.tree(("100755", b"post-checkout", scene.raw.blob(f"{MARK}\n".encode())))
    scene.head(scene.raw.tree(("40000", name, inside)))


def file(name: bytes, data: bytes, scene: Scene) -> None:
    scene.head(scene.raw.files({name: data.replace(b"CANARY", scene.canary.encode())}))


def moded(mode: str, scene: Scene) -> None:
    scene.head(scene.raw.tree((mode, b"x", scene.raw.blob(b"x"))))


def link(target: bytes, name: bytes, scene: Scene) -> None:
    scene.head(scene.raw.tree(("120000", name, scene.raw.blob(target))))


def link_and_below(scene: Scene) -> None:
    """A link, and a directory of the same name that would be written through it."""
    inside = scene.raw.tree(("100644", b"x", scene.raw.blob(b"x")))
    to_outside = scene.raw.blob(b"../../outside/home")
    scene.head(scene.raw.tree(("120000", b"a", to_outside), ("40000", b"A", inside)))


def doubled(scene: Scene) -> None:
    one, two = scene.raw.blob(b"1"), scene.raw.blob(b"2")
    scene.head(scene.raw.tree(("100644", b"x", one), ("100644", b"x", two), ordered=False))


def unsorted(scene: Scene) -> None:
    one = scene.raw.blob(b"1")
    scene.head(scene.raw.tree(("100644", b"b", one), ("100644", b"a", one), ordered=False))


def submodule(url: str, scene: Scene) -> None:
    """A submodule, with its URL from anywhere."""
    where = url.replace("CANARY", scene.canary).encode()
    text = b'[submodule "m"]\n\tpath = m\n\turl = "%b"\n' % where
    modules = scene.raw.blob(text)
    rows = ("100644", b".gitmodules", modules), ("160000", b"m", scene.plain())
    scene.head(scene.raw.tree(*rows))


def modules(text: bytes, scene: Scene) -> None:
    rows = ("100644", b".gitmodules", scene.raw.blob(text)), ("160000", b"m", scene.plain())
    scene.head(scene.raw.tree(*rows))


def linked_modules(scene: Scene) -> None:
    scene.head(scene.raw.tree(("120000", b".gitmodules", scene.raw.blob(b"/etc/passwd"))))


def deep(levels: int, scene: Scene) -> None:
    tree = scene.raw.files({b"x": b"x"})
    for _ in range(levels):
        tree = scene.raw.tree(("40000", b"d", tree))
    scene.head(tree)


def bomb(scene: Scene, name: bytes = b"%d", levels: int = 8) -> str:
    """Ten directories in ten directories, and so on: 10**8 paths from a few kilobytes."""
    tree = scene.raw.files({b"x": b"x"})
    for _ in range(levels):
        tree = scene.raw.tree(*(("40000", name % n, tree) for n in range(10)))
    return tree


def bomb_at_head(scene: Scene) -> None:
    scene.head(bomb(scene))


def bomb_beside(scene: Scene) -> None:
    """The head is harmless; another branch is not."""
    scene.plain()
    scene.refs["refs/heads/zz"] = scene.raw.commit(bomb(scene))


def bomb_of_names(scene: Scene) -> None:
    """Less than a million paths of almost 4,096 bytes each: gigabytes of names."""
    scene.head(bomb(scene, b"n" * 800 + b"%d", levels=5))


def empty_name(scene: Scene) -> None:
    scene.head(scene.raw.add("tree", row("100644", b"", scene.raw.blob(b"x"))))


def cut(scene: Scene) -> None:
    whole = row("100644", b"x", scene.raw.blob(b"x"))
    scene.head(scene.raw.add("tree", whole[:-3]))


def null_oid(scene: Scene) -> None:
    scene.head(scene.raw.tree(("160000", b"x", "0" * 40)))


def itself_by_name(scene: Scene) -> None:
    """A tree that says it holds a tree which is really a blob."""
    scene.head(scene.raw.tree(("40000", b"x", scene.raw.blob(b"no tree"))))


def many(scene: Scene) -> None:
    """A million entries in one directory is the limit; this is one more than that in two."""
    blob = scene.raw.blob(b"x")
    flat = scene.raw.tree(*(("100644", b"%05d" % n, blob) for n in range(50_000)))
    scene.head(scene.raw.tree(*(("40000", b"%02d" % n, flat) for n in range(21))))


def twins(one: bytes, two: bytes, scene: Scene) -> None:
    scene.head(scene.raw.files({one: b"1", two: b"2"}))


ATTRIBUTES = (
    b"* filter=lfs diff=evil merge=evil -text\n*.c export-subst ident working-tree-encoding=UTF-7\n"
    b'[attr]evil textconv="touch MARK"\n* eol=crlf\n'
)
GITMODULES = b'[submodule "m"]\n\tpath = m\n\turl = https://example.org/m\n'
CORRUPT, OVER = "failed corrupt", "skipped over_limit"

_DOTGIT = (
    b".git", b".GIT", b".gIt", b"git~1", b"GIT~1", ".g\u200cit".encode(), b".git ", b".git.",
    b".git::$INDEX_ALLOCATION", b".git . ", b".git:x",
)  # fmt: skip
_ODD = (
    b"-rf", b"--upload-pack=touch MARK", b"-", b"$(touch MARK)", b"`touch MARK`", b"a\nb", b"a\tb",
    b"\x1b[2J\x1b]0;x\x07", b"\xff\xfe\x80", b"a\\..\\b", b"C:\\x", b"CON", b"aux.txt", b"x.",
    b"x ",
    b"a:b", "\u202etxt.exe".encode(), b"%2e%2e%2f", b"*?[x]", b"[red]x[bold]", b"=1+1",
    b"'; drop table files; --", b"<img src=x onerror=1>", b"~", b"~root", b"#", b"n" * 4000,
)  # fmt: skip
_URLS = (
    "ext::sh -c 'touch MARK'", "file:///etc", "../../../etc", "ssh://-oProxyCommand=touch/x",
    "CANARY/x.git", "git://127.0.0.1/x", "fd::17", "https://u:secret@127.0.0.1/x", "EXT::sh -c x",
    "http://169.254.169.254/latest/meta-data/", "/etc/passwd",
)  # fmt: skip

TREES = (
    *(Case(f"directory {name!r}", partial(folder, name), CORRUPT) for name in _DOTGIT),
    *(Case(f"file {name[:40]!r}", partial(named, name)) for name in _ODD),
    *(Case(f"submodule {url}", partial(submodule, url)) for url in _URLS),
    Case("submodule --upload-pack", partial(submodule, "--upload-pack=touch MARK"), CORRUPT),
    Case("submodule URL with a line feed", partial(submodule, "http://x/%0ahost=y"), CORRUPT),
    Case(
        "submodule name ../..", partial(modules, GITMODULES.replace(b'"m"', b'"../../x"')), CORRUPT
    ),
    Case(
        "submodule update command",
        partial(modules, GITMODULES + b"\tupdate = !touch MARK\n"),
        CORRUPT,
    ),
    Case("submodule path with CR", partial(modules, GITMODULES.replace(b"= m\n", b'= "m\r"\n'))),
    Case("submodule path --x", partial(modules, GITMODULES.replace(b"= m\n", b"= --x\n")), CORRUPT),
    Case(".gitmodules that is no configuration", partial(modules, b"\0[[[ \xff" * 99)),
    Case(".gitmodules that is a link", linked_modules, CORRUPT),
    Case("hooks in the tree", partial(folder, b"hooks")),
    Case("..", partial(folder, b".."), CORRUPT),
    Case(".", partial(folder, b"."), CORRUPT),
    Case("an absolute path", partial(named, b"/etc/x"), CORRUPT),
    Case("a path in one name", partial(named, b"a/b"), CORRUPT),
    Case("no name", empty_name, CORRUPT),
    Case("the same name twice", doubled, CORRUPT),
    Case("names out of order", unsorted, CORRUPT),
    Case("a tree cut short", cut, CORRUPT),
    Case("a submodule of no commit", null_oid, CORRUPT),
    Case("a directory that is a file", itself_by_name, CORRUPT),
    Case("mode 100600", partial(moded, "100600")),
    Case("mode 777777", partial(moded, "777777")),
    Case("a padded mode, as history has them", partial(moded, "0100644")),
    Case("a name of 5,000 bytes", partial(named, b"n" * 5000), OVER),
    Case("a link to /etc/passwd", partial(link, b"/etc/passwd", b"config.json")),
    Case("a link up and out", partial(link, b"../../../../outside/home/victim", b"x")),
    Case("a link to itself", partial(link, b"x", b"x")),
    Case("a link whose target holds NUL and escapes", partial(link, b"\0\x1b[2J", b"x")),
    Case("a link and a directory that differ in case", link_and_below),
    Case("twins in case", partial(twins, b"Config.json", b"config.json")),
    Case("twins in normal form", partial(twins, "\u00e9".encode(), "e\u0301".encode())),
    Case("127 directories deep", partial(deep, 126)),
    Case("600 directories deep", partial(deep, 600), OVER),
    Case("5,000 directories deep", partial(deep, 5000), OVER),
    Case("a tree bomb", bomb_at_head, OVER),
    Case("a tree bomb on another branch", bomb_beside, told=OVER),
    Case("a bomb of long names", bomb_of_names, OVER),
    Case("more than a million files", many, OVER),
    Case("attributes that want filters", partial(file, b".gitattributes", ATTRIBUTES)),
    Case("an attribute line of 5 kB", partial(file, b".gitattributes", b"a" * 5000), CORRUPT),
    Case("a mailmap", partial(file, b".mailmap", b"Root <root@example.org> <eve@example.org>\n")),
    Case(".lfsconfig", partial(file, b".lfsconfig", b"[lfs]\n\turl = CANARY/lfs\n")),
    Case("$Format$ and $Id$", partial(file, b"x.c", b"$Format:%H$ $Id$")),
)
