"""One Python source, read without running it: what each top-level statement binds and mentions.

The source is hostile: it is decoded as UTF-8 whatever it asks for, its syntax tree is walked
without recursion and dropped at once, and what Python cannot read is None.
"""

import ast
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

LONGEST = 100
"""Characters of a name, and of a word that is kept."""
DEEPEST = 6
"""Parts of a dotted name."""
MOST_STARS = 20
"""Modules that one imports everything from."""

Name = tuple[str, ...]
"""A dotted name as written: ``models.resnet.resnet18``."""
Table = tuple[tuple[str, str], ...]
"""Texts that were looked for, by their keys; one that stands alone has an empty key."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A top-level statement: the names it mentions, the short texts and the tables in it."""

    mentions: frozenset[Name]
    words: frozenset[str]
    tables: tuple[Table, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """An imported name: ``name`` of ``module``, or the module itself.

    Attributes:
        skip: parts of a mention that belong to the module (``import a.b`` binds ``a``).
    """

    module: str
    name: str | None = None
    skip: int = 0


@dataclass(slots=True)
class Module:
    """A source as read.

    Attributes:
        units: its statements by the names they bind.
        links: its imports, those inside functions too.
        stars: modules it imports everything from.
        offers: its public callables in order; imported ones with where they are from.
        dependencies: the texts of the list it calls so.
    """

    path: str
    units: dict[str, list[Unit]] = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    offers: dict[str, Link | None] = field(default_factory=dict)
    dependencies: list[str] = field(default_factory=list)


def read_source(path: str, source: bytes, is_sought: Callable[[str], bool]) -> Module | None:
    """Read a module; None when Python cannot.

    Args:
        path: where it is in its repository, by which relative imports are understood.
        source: its bytes.
        is_sought: whether a text is to be kept in ``Unit.tables``.
    """
    tree = _parsed(source)
    if tree is None:
        return None
    module = Module(path)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name, link in _links(node, path):
                module.links.setdefault(name, link)
    for statement in _statements(tree.body):
        _add(module, statement, is_sought)
    return module


def _parsed(source: bytes) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source.decode("utf-8-sig", "replace"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that importing a module runs: also those in blocks, but not ``__main__``."""
    todo = list(reversed(body))
    while todo:
        statement = todo.pop()
        match statement:
            case ast.If(test=ast.Compare(left=ast.Name(id="__name__"))):
                pass
            case ast.If():
                todo += reversed([*statement.body, *statement.orelse])
            case ast.With():
                todo += reversed(statement.body)
            case ast.Try() | ast.TryStar():
                handled = [inner for handler in statement.handlers for inner in handler.body]
                after = [*handled, *statement.orelse, *statement.finalbody]
                todo += reversed([*statement.body, *after])
            case _:
                yield statement


def _add(module: Module, statement: ast.stmt, is_sought: Callable[[str], bool]) -> None:
    if isinstance(statement, ast.ImportFrom):
        imported = dict(_links(statement, module.path))
        module.offers.update({n: link for n, link in imported.items() if not n.startswith("_")})
        if not imported and len(module.stars) < MOST_STARS:
            module.stars.append(_absolute(statement, module.path))
        return
    names = _bound(statement)
    if "dependencies" in names:
        module.dependencies += _listed(statement)
    if not names:
        return
    unit = _unit(statement, is_sought)
    for name in names:
        module.units.setdefault(name, []).append(unit)
        if _is_callable(statement) and not name.startswith("_"):
            module.offers[name] = None


def _is_callable(statement: ast.stmt) -> bool:
    """Whether what a statement binds can be called, as far as one can see."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return True
        case ast.Assign(value=ast.Lambda()):
            return True
        case ast.Assign(value=ast.Call(func=ast.Name("partial") | ast.Attribute(attr="partial"))):
            return True
    return False


def _bound(statement: ast.stmt) -> list[str]:
    """The names a statement binds, or adds to (``urls["x"] = ...``)."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    found = []
    for node in ast.walk(statement):
        match node:
            case ast.Name(name, ast.Store()):
                found.append(name)
            case ast.Subscript(value=ast.Name(name), ctx=ast.Store()):
                found.append(name)
    return [name for name in dict.fromkeys(found) if len(name) <= LONGEST]


def _listed(statement: ast.stmt) -> list[str]:
    """The texts of a list that is written out."""
    value = getattr(statement, "value", None)
    members = value.elts if isinstance(value, ast.List | ast.Tuple | ast.Set) else []
    texts = [m.value for m in members if isinstance(m, ast.Constant) and isinstance(m.value, str)]
    return [text for text in texts if 0 < len(text) <= LONGEST and text.isprintable()]


def _unit(statement: ast.stmt, is_sought: Callable[[str], bool]) -> Unit:
    mentions: set[Name] = set()
    texts: dict[int, str] = {}
    tables: list[Table] = []
    in_tables: set[int] = set()
    for node in ast.walk(statement):
        match node:
            case ast.Name() | ast.Attribute():
                mentions |= _dotted(node)
            case ast.Constant(str(text)):
                texts[id(node)] = text
            case ast.Dict():
                entries = _entries(node, is_sought)
                tables += [tuple((str(key.value), str(value.value)) for key, value in entries)]
                in_tables |= {id(one) for entry in entries for one in entry}
    alone = [text for node_id, text in texts.items() if node_id not in in_tables]
    tables += [(("", text),) for text in alone if is_sought(text)]
    words = frozenset(text for text in alone if len(text) <= LONGEST)
    return Unit(frozenset(mentions), words, tuple(table for table in tables if table))


def _entries(
    node: ast.Dict, is_sought: Callable[[str], bool]
) -> list[tuple[ast.Constant, ast.Constant]]:
    """The entries of a table whose key is a text, and whose value is one that is looked for."""
    return [
        (key, value)
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
        if isinstance(value, ast.Constant) and isinstance(value.value, str)
        if is_sought(value.value)
    ]


def _dotted(node: ast.expr) -> set[Name]:
    """The dotted name that an expression is; nothing when it is none."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute) and len(parts) < DEEPEST:
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return set()
    whole = (node.id, *reversed(parts))
    return {whole} if max(map(len, whole)) <= LONGEST else set()


def _links(node: ast.Import | ast.ImportFrom, path: str) -> Iterator[tuple[str, Link]]:
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            if alias.name != "*":
                yield alias.asname or alias.name, Link(_absolute(node, path), alias.name)
        elif alias.asname:
            yield alias.asname, Link(alias.name)
        else:
            head, *rest = alias.name.split(".")
            yield head, Link(alias.name, skip=len(rest))


def _absolute(node: ast.ImportFrom, path: str) -> str:
    """The module an import names, from the root of the repository; empty for the root."""
    package = path.split("/")[: -node.level] if node.level else []
    return ".".join([*package, *([node.module] if node.module else [])])
