"""Whose request may see what, and where a repository's name has gone; as the hubs answer it."""

from dataclasses import dataclass
from enum import Enum
from urllib.parse import quote

from ptmtorrent.sandbox.exchange import Ask, Reply, ReplyError, Who, json_reply, redirect
from ptmtorrent.sandbox.live import Live, Match
from ptmtorrent.sandbox.world import Repository

_LOGIN = 'Bearer realm="Authentication required", charset="UTF-8"'
_GIT_LOGIN = 'Basic realm="Git", charset="UTF-8"'


class Need(Enum):
    """What of a repository is asked for."""

    INFO = 1
    """What is said of it: open for gated and disabled packages too."""
    TREE = 2
    """Names of its files: open for gated packages."""
    CONTENT = 3
    """Commits and bytes."""


@dataclass(frozen=True, slots=True)
class Address:
    """A repository's name in a path, and what follows it.

    Attributes:
        start, count: where the name's segments are in ``path.split("/")``.
        rest: the segments behind it, unquoted.
    """

    name: str
    start: int
    count: int
    rest: tuple[str, ...]


def address(ask: Ask, start: int, actions: frozenset[str]) -> Address:
    """Read the name: ``owner/name``, or a legacy single name where an action follows it."""
    parts = ["", *ask.parts]
    legacy = len(parts) <= start + 1 or parts[start + 1] in actions
    count = 1 if legacy else 2
    name = "/".join(parts[start : start + count]).removesuffix(".git")
    return Address(name, start, count, tuple(parts[start + count :]))


def admit(live: Live, ask: Ask, where: Address, need: Need) -> Repository:
    """The package that a request to Hugging Face may see.

    Raises:
        ReplyError: it may not, there is none, or it is to be asked for under another name.
    """
    match = live.find("huggingface", where.name)
    repository = match.repository if match else None
    if refusal := _unseen(repository, ask.who, need):
        raise ReplyError(refusal)
    if match is None:
        raise ReplyError(_not_there(ask.who))
    if not match.exact:
        raise ReplyError(redirect(307, moved(ask, where, match)))
    if refusal := _closed(match.repository, ask.who, need):
        raise ReplyError(refusal)
    return match.repository


def admit_git(live: Live, ask: Ask, where: Address) -> Repository:
    """The package that git or LFS may have from Hugging Face; a 401 asks for Basic credentials.

    Raises:
        ReplyError: as for ``admit``.
    """
    try:
        return admit(live, ask, where, Need.CONTENT)
    except ReplyError as early:
        if early.reply.status == 401:
            early.reply = git_login(early.reply)
        raise


def admit_github(live: Live, ask: Ask, where: Address) -> Repository:
    """The repository that git or LFS may have from GitHub.

    Raises:
        ReplyError: it asks for credentials, is not there, is closed, or has moved.
    """
    match = live.find("github", where.name)
    hidden = match is None or match.repository.missing or match.repository.private
    granted = match is not None and match.repository.private and ask.who is Who.GRANTED
    if match is None or (hidden and not granted):
        missing = json_reply({"message": "Not Found"}, 404)
        raise ReplyError(missing if ask.who is Who.GRANTED else git_login(missing))
    if match.repository.disabled:
        raise ReplyError(json_reply({"message": "Access to this repository is disabled"}, 403))
    if match.former:
        status = 301 if ask.method in ("GET", "HEAD") else 307
        raise ReplyError(redirect(status, ask.base + moved(ask, where, match)))
    return match.repository


def git_login(reply: Reply) -> Reply:
    """A 401 that git understands, with the words of ``reply``."""
    headers = {**reply.headers, "WWW-Authenticate": _GIT_LOGIN}
    return Reply(status=401, headers=headers, body=reply.body)


def moved(ask: Ask, where: Address, match: Match) -> str:
    """Path and query of the request under the repository's name of today."""
    parts = ask.path.split("/")
    replaced = parts[where.start : where.start + where.count]
    name = quote(match.repository.name) + (".git" if replaced[-1].endswith(".git") else "")
    path = "/".join([*parts[: where.start], name, *parts[where.start + where.count :]])
    return f"{path}?{ask.raw_query}" if ask.raw_query else path


def refusal_reply(status: int, message: str, code: str = "") -> Reply:
    """An error of Hugging Face, in headers and body."""
    headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
    headers |= {"WWW-Authenticate": _LOGIN} if status == 401 and not code else {}
    return json_reply({"error": message}, status, headers)


def _unseen(repository: Repository | None, who: Who, need: Need) -> Reply | None:
    gated = repository is not None and repository.gated and need is Need.CONTENT
    if who is Who.INVALID and not (gated and repository and not repository.private):
        return refusal_reply(401, "Invalid credentials in Authorization header")
    if repository is None or repository.missing or (repository.private and who is not Who.GRANTED):
        return _not_there(who)
    return None


def _closed(repository: Repository, who: Who, need: Need) -> Reply | None:
    if repository.disabled and need is not Need.INFO:
        return refusal_reply(403, "Access to this resource is disabled.")
    if not repository.gated or need is not Need.CONTENT:
        return None
    words = f"Access to model {repository.name} is restricted."
    if who is not Who.GRANTED:
        return refusal_reply(401, f"{words} Please log in.", "GatedRepo")
    if repository.gated == "auto":
        return None
    return refusal_reply(403, f"{words} You are not in its list of users.", "GatedRepo")


def _not_there(who: Who) -> Reply:
    if who is Who.GRANTED:
        return refusal_reply(404, "Repository not found", "RepoNotFound")
    return refusal_reply(401, "Invalid username or password.")
