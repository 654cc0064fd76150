"""Writes the history of one repository: a working tree in memory, and commits of many kinds."""

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from ptmtorrent.model.oid import Pointer
from ptmtorrent.sandbox.objects import FILE, Commit, Entry, Objects, Stamp, Tag
from ptmtorrent.sandbox.people import HUB, PEOPLE, Person, hub_key, person_key
from ptmtorrent.sandbox.repository import MAIN
from ptmtorrent.sandbox.signing import Signer


@dataclass(frozen=True, slots=True)
class Hands:
    """Whose hands a commit went through: author, committer and who signs."""

    author: Stamp
    committer: Stamp
    signer: Signer | None = None
    encoding: str = "utf-8"


@dataclass(slots=True)
class Writer:
    """A repository in the making. Its clock moves on with every commit.

    Attributes:
        at: time of the newest commit, in seconds since 1970.
        files: the working tree.
        refs: full name -> oid.
        large: LFS objects that were put in: sha256 -> content.
    """

    seed: int
    forge: str
    rng: random.Random
    at: int
    files: dict[bytes, Entry] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    objects: Objects = field(default_factory=Objects)
    large: dict[str, bytes] = field(default_factory=dict)

    def put(self, path: bytes | str, data: bytes, mode: str = FILE) -> None:
        """Put a file into the working tree, in git itself."""
        name = path.encode() if isinstance(path, str) else path
        self.files[name] = Entry(mode, self.objects.blob(data))

    def put_large(self, path: str, data: bytes) -> None:
        """Put a file into the working tree as an LFS pointer."""
        sha256 = hashlib.sha256(data).hexdigest()
        self.large[sha256] = data
        self.put(path, Pointer(sha256, len(data)).to_bytes())

    def put_weights(self, files: Mapping[str, bytes]) -> None:
        """Put weights in as LFS objects, and their JSON indexes in git."""
        for path, data in files.items():
            (self.put if path.endswith(".json") else self.put_large)(path, data)

    def commit(self, message: str, branch: str = MAIN, merged: str | None = None) -> str:
        """Commit the working tree to a branch as some person, who may sign."""
        return self.record(self._somebody(), message, branch, merged)

    def commit_on_web(self, message: str) -> str:
        """Commit to ``main`` as a forge does for its users: it is the committer, and signs."""
        person = self.rng.choice(PEOPLE)
        author = self._stamp(person, person.spellings[-1])
        committer = Stamp(*HUB[self.forge], author.at)
        return self.record(Hands(author, committer, hub_key(self.seed, self.forge)), message)

    def record(
        self, hands: Hands, message: str, branch: str = MAIN, merged: str | None = None
    ) -> str:
        """Commit the working tree; parents are the branch's tip and what is ``merged``."""
        parents = tuple(oid for oid in (self.refs.get(branch), merged) if oid)
        commit = Commit(
            tree=self.objects.tree(self.files),
            parents=parents,
            author=hands.author,
            committer=hands.committer,
            message=message + "\n",
            encoding=hands.encoding,
            signer=hands.signer,
        )
        self.refs[branch] = self.objects.commit(commit)
        return self.refs[branch]

    def tag(self, name: str, target: str, *, signed: bool = False) -> None:
        """Make an annotated tag, signed by the first person if asked."""
        person = PEOPLE[0]
        stamp = self._stamp(person, person.spellings[0])
        signer = person_key(self.seed, person) if signed else None
        tag = Tag(target=target, name=name, tagger=stamp, message=f"{name}\n", signer=signer)
        self.refs[f"refs/tags/{name}"] = self.objects.tag(tag)

    def _somebody(self) -> Hands:
        person = self.rng.choice(PEOPLE)
        author = self._stamp(person, self.rng.choice(person.spellings))
        if self.rng.random() < 0.2:
            other = self.rng.choice(PEOPLE)
            return Hands(author, self._stamp(other, other.spellings[0]))
        signs = self.rng.random() < 0.6
        return Hands(author, author, person_key(self.seed, person) if signs else None)

    def _stamp(self, person: Person, spelling: tuple[str, str]) -> Stamp:
        self.at += self.rng.randrange(60, 36 * 3600)
        return Stamp(*spelling, self.at, person.offset)
