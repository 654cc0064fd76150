"""What each package of the world is to be: its name, family, role and the odd thing about it.

Packages come in families of four: a base model, somebody's copy of it, a fine-tuned child and a
quantized child. Copies and children carry files of the base, so large objects are shared.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from ptmtorrent.sandbox.chance import dice
from ptmtorrent.sandbox.people import PEOPLE

LEGACY_IMPORT = 1646263744
"""2022-03-02T23:29:04Z: the creation time the hub gives everything older than that."""

NEWEST = 1785542400
"""2026-08-01: no package of a fresh world is created later."""

WEEK = 7 * 24 * 3600

ORGANISATIONS = ("quillmark", "norrland-lab", "OpenWader", "saltmarsh-ai")
ZOO = "norrland-zoo"
"""The organisation that holds the objects of the ONNX zoo; no recipe is its."""
WORDS = ("Tern", "Wader", "Dunlin", "Plover", "Godwit", "Curlew", "Avocet", "Sanderling", "Knot")


class Role(IntEnum):
    """A package's place in its family."""

    BASE = 0
    COPY = 1
    FINETUNE = 2
    QUANTIZED = 3


class Trait(StrEnum):
    """The odd thing about a package."""

    LEGACY_NAME = "legacy name"
    RENAMED = "renamed"
    HOSTILE_PATHS = "hostile paths"
    GATED_AUTO = "gated auto"
    PRIVATE = "private"
    GATED_MANUAL = "gated manual"
    DISABLED = "disabled"
    MISSING = "missing"
    EMPTY = "empty"
    LARGE_TEXT = "large text"
    LARGE_BINARY = "large binary"
    SMALL_BINARY = "small binary"
    LFSCONFIG = "lfsconfig"
    MISSING_OBJECT = "missing object"
    ODD_MODES = "odd modes"
    HOSTILE_TEXT = "hostile text"
    BRANCHES = "branches"
    UNSAFE_PICKLE = "unsafe pickle"
    BROKEN_CARD = "broken card"
    OLD_ENCODING = "old encoding"


TRAITS = {
    0: Trait.LEGACY_NAME,
    1: Trait.RENAMED,
    2: Trait.HOSTILE_PATHS,
    3: Trait.GATED_AUTO,
    5: Trait.PRIVATE,
    6: Trait.GATED_MANUAL,
    7: Trait.DISABLED,
    9: Trait.MISSING,
    10: Trait.EMPTY,
    11: Trait.LARGE_TEXT,
    13: Trait.LARGE_BINARY,
    14: Trait.SMALL_BINARY,
    15: Trait.LFSCONFIG,
    17: Trait.MISSING_OBJECT,
    18: Trait.ODD_MODES,
    19: Trait.HOSTILE_TEXT,
    20: Trait.BRANCHES,
    21: Trait.UNSAFE_PICKLE,
    22: Trait.BROKEN_CARD,
    23: Trait.OLD_ENCODING,
}
"""Which package of a fresh world has which trait; all others are plain."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a model is for: the hub's word, the class to load it with, and the model's own class."""

    pipeline: str
    auto: str
    head: str


TASKS = (
    Task("text-generation", "AutoModelForCausalLM", "ForCausalLM"),
    Task("fill-mask", "AutoModelForMaskedLM", "ForMaskedLM"),
    Task("image-classification", "AutoModelForImageClassification", "ForImageClassification"),
    Task("automatic-speech-recognition", "AutoModelForCTC", "ForCTC"),
)
LICENSES = ("apache-2.0", "mit", "other", "cc-by-4.0", "openrail")
LANGUAGES: tuple[tuple[str, ...], ...] = (("en",), ("et", "en"), ("de",), ("hi", "ta", "en"))


@dataclass(frozen=True, slots=True)
class Family:
    """What four packages have in common."""

    number: int
    word: str
    task: Task
    license: str
    languages: tuple[str, ...]
    born: int

    @property
    def series(self) -> str:
        """The name without a suffix, different for every family: ``Tern-v1``."""
        return f"{self.word}-v{self.number // len(WORDS) + 1}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One package of the Hugging Face part of the world, before it is made.

    Attributes:
        id: 24 hex digits whose first 8 are ``created``.
        created: seconds since 1970.
    """

    number: int
    id: str
    name: str
    created: int
    role: Role
    family: Family
    trait: Trait | None = None
    former_names: tuple[str, ...] = ()


def family_of(seed: int, number: int) -> Family:
    """The family with a number."""
    rng = dice(seed, "family", number)
    born = rng.randrange(LEGACY_IMPORT, NEWEST - 5 * WEEK) if number else LEGACY_IMPORT
    return Family(
        number,
        WORDS[number % len(WORDS)],
        TASKS[number % len(TASKS)],
        LICENSES[number % len(LICENSES)],
        LANGUAGES[number % len(LANGUAGES)],
        born,
    )


def recipe_of(seed: int, number: int, created: int | None = None) -> Recipe:
    """The package with a number; one that is ``created`` later than the world has no trait."""
    family, role = family_of(seed, number // len(Role)), Role(number % len(Role))
    trait = TRAITS.get(number) if created is None else None
    born = family.born + role * WEEK if created is None else created
    return Recipe(
        number=number,
        id=f"{born:08x}{dice(seed, 'id', number).randbytes(8).hex()}",
        name=_name(family, role),
        created=born,
        role=role,
        family=family,
        trait=trait,
        former_names=_former_names(family, trait),
    )


def base_of(seed: int, recipe: Recipe) -> Recipe | None:
    """The base model a child was made from; None for what is no child."""
    if recipe.role in (Role.BASE, Role.COPY):
        return None
    return recipe_of(seed, recipe.family.number * len(Role))


def _name(family: Family, role: Role) -> str:
    organisation = ORGANISATIONS[family.number % len(ORGANISATIONS)]
    person = PEOPLE[(family.number + role) % len(PEOPLE)].account
    return {
        Role.BASE: f"{organisation}/{family.series}-Base",
        Role.COPY: f"{person}/{family.series.lower()}-base",
        Role.FINETUNE: f"{person}/{family.series}-Instruct",
        Role.QUANTIZED: f"{person}/{family.series}.GGUF",
    }[role]


def _former_names(family: Family, trait: Trait | None) -> tuple[str, ...]:
    if trait is Trait.LEGACY_NAME:
        return (family.word.lower(),)
    if trait is Trait.RENAMED:
        return (f"heron-archive/{family.word.lower()}-mirror", f"marshland/{family.series}")
    return ()
