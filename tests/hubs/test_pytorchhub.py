"""The PyTorch Hub adapter against real cards, and against cards made to hurt."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptmtorrent.errors import SkipReason, UsageError
from ptmtorrent.hubs.base import Means
from ptmtorrent.hubs.pytorchhub import PYTORCHHUB, asset_of, is_card, load_targets, parse, refine
from ptmtorrent.hubs.reading.hubconf import Weight
from ptmtorrent.hubs.shelf import shelf_page
from ptmtorrent.model.package import (
    AnswerKind,
    Asset,
    Change,
    Drift,
    LoadTarget,
    Package,
    Paper,
    Scope,
)

SHELF = "https://github.com/marsh-lab/cards"
CARD = (Path(__file__).parent / "samples/marshlab_vision_heron.md").read_bytes()


def parsed(*cards: tuple[str, bytes]):
    return parse(shelf_page(SHELF, cards))


def package(card: bytes = CARD) -> Package:
    found = parsed(("marshlab_vision_heron.md", card))
    assert found.unparsed == ()
    return found.packages[0][1]


class OneShelf:
    """pytorch/hub, with one card in it."""

    async def files(self, origin, wanted, after):
        assert origin == "https://github.com/pytorch/hub"
        cards = [("README.md", b"#"), ("docs/template.md", CARD), ("heron.md", CARD)]
        return tuple(card for card in cards if wanted(card[0]) and card[0] > after), False


NOTHING = Means(transport=None, shelves=None)


class Files:
    """A repository as a table: (revision, path) -> content."""

    def __init__(self, **revisions: dict[str, str]) -> None:
        self.revisions = revisions

    def read(self, path: str, revision: str | None = None) -> bytes | None:
        content = self.revisions.get(revision or "head", {}).get(path)
        return None if content is None else content.encode()


def test_a_card_becomes_a_package():
    heron = package()
    assert (heron.hub, heron.package_id, heron.name) == (
        "pytorchhub",
        *["marshlab_vision_heron"] * 2,
    )
    assert heron.url == "https://pytorch.org/hub/marshlab_vision_heron/"
    assert heron.origin == "https://github.com/Marsh-Lab/vision"
    assert heron.owner == "Marsh Lab"
    assert heron.tags == ("vision", "scriptable")
    assert (heron.task, heron.library, heron.framework) == ("vision", "pytorch", "pytorch")
    assert heron.papers == (Paper("arxiv", "2101.00007"), Paper("doi", "10.99999/heron.7"))
    assert heron.twin == hashlib.sha256(CARD).hexdigest()


def test_load_targets_are_read_however_they_are_written_and_variables_are_passed_over():
    vision = "marsh-lab/vision"
    assert package().load_targets == (
        LoadTarget(vision, "v0.3", "heron18"),
        LoadTarget(vision, "v0.3", "heron34"),
        LoadTarget("reed-bank/decoders", None, "decoder.large"),
        LoadTarget(vision, "main", "heron18"),
    )


@pytest.mark.parametrize(
    "call",
    [
        "torch.hub.load(repository, 'x')",
        "torch.hub.load('a/b')",
        "torch.hub.load('../../etc', 'x')",
        "torch.hub.load('./here', 'x')",
        "torch.hub.load('a/b:--upload-pack=x', 'x')",
        "torch.hub.load('a/b:v 1', 'x')",
        "torch.hub.load('a/b', 'x y')",
        "torch.hub.load('a/b', f(1), 'x')",
        "torch.hub.load('a/b', 'x",
    ],
)
def test_what_names_no_repository_ref_or_function_is_no_load_target(call):
    assert list(load_targets(call)) == []


@pytest.mark.parametrize(
    ("github_id", "link", "origin"),
    [
        ("no-image", "http://www.github.com/a/b.git", "https://github.com/a/b"),
        ("", "https://github.com/a/b/tree/main/c", "https://github.com/a/b"),
        ("one", "https://elsewhere.example/a/b", None),
        ("a/../b", "", None),
    ],
)
def test_the_origin_is_the_github_id_or_else_where_the_link_leads(github_id, link, origin):
    front = f"---\ntitle: x\ngithub-id: '{github_id}'\ngithub-link: '{link}'\n---\n"
    assert package(front.encode()).origin == origin


def test_no_image_means_none():
    assert package(b"---\nauthor: no-image\n---\n").owner is None


def test_a_task_is_said_only_where_one_domain_is_named():
    tasks = [
        package(f"---\ntags: [{tags}]\n---\n".encode()).task
        for tags in ("audio, scriptable", "vision, nlp", "generative")
    ]
    assert tasks == ["audio", None, None]


def test_windows_lines_and_a_byte_order_mark_are_read():
    windows = b"\xef\xbb\xbf" + CARD.replace(b"\n", b"\r\n")
    assert package(windows).load_targets == package().load_targets


@pytest.mark.parametrize(
    ("card", "why"),
    [
        (b"", "no front matter"),
        (b"# Heron\n", "no front matter"),
        (b"---\ntitle: x\n", "no front matter"),
        (b"---\n- a\n---\n", "no table"),
        (b"---\n---\n", "no front matter"),
        (b"---\na: [\n---\n", "YAML"),
        (b"---\na: &a x\nb: *a\n---\n", "alias"),
    ],
)
def test_a_card_that_cannot_be_read_costs_itself_only(card, why):
    found = parsed(("a.md", card), ("marshlab_vision_heron.md", CARD))
    assert [index for index, _ in found.packages] == [1]
    assert [one.index for one in found.unparsed] == [0]
    assert why in found.unparsed[0].reason
    assert "a.md" in found.unparsed[0].reason


def test_of_a_page_that_is_cut_off_the_cards_before_the_cut_count():
    page = shelf_page(SHELF, [("a.md", CARD), ("b.md", CARD)])
    found = parse(page[: page.index(b"b.md") + 600])
    assert [(index, one.name) for index, one in found.packages] == [(0, "a")]
    assert [one.index for one in found.unparsed] == [1]


def test_fields_of_other_types_count_as_absent_and_are_noticed():
    front = b"---\ntitle: [1]\nauthor: 7\ntags: {a: b}\ngithub-id: [x]\ninvented: 1\n---\n"
    found = parsed(("a.md", front))
    assert (found.packages[0][1].owner, found.packages[0][1].tags) == (None, ())
    assert Drift("author", Change.TYPE, 1) in found.drift
    assert Drift("invented", Change.NEW, 1) in found.drift
    assert Drift("layout", Change.GONE, 1) in found.drift


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("heron.md", True),
        ("README.md", False),
        ("CONTRIBUTING.md", False),
        ("CODE_OF_CONDUCT.md", False),
        ("docs/template.md", False),
        ("heron.MD.txt", False),
        ("heron", False),
        (".md", False),
    ],
)
def test_cards_are_the_markdown_files_at_the_root_but_for_the_repositorys_own(path, is_one):
    assert is_card(path) is is_one


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode()))
def test_parse_never_raises(noise):
    parse(noise)
    for card in (noise, b"---\n" + noise + b"\n---\n" + noise, b"---\na: 1\n---\n" + noise):
        found = parsed(("a.md", card))
        assert len(found.packages) + len(found.unparsed) == 1


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="torch.hub.load(),'\"=#: \nabc/\u2018\u2019\\*{}", max_size=200))
def test_load_targets_survive_any_text(text):
    for target in load_targets("torch.hub.load(" + text):
        assert "/" in target.repository
        assert target.entry_point


def test_the_code_is_read_at_the_revision_that_the_card_says_to_load():
    old = 'dependencies = ["torch"]\ndef heron18(): return "https://a.example/heron18.pth"\n'
    tree = Files(**{"v0.3": {"hubconf.py": old}}, head={"hubconf.py": "def heron99(): pass\n"})
    found = refine(package(), tree)
    assert found.package.entry_points == ("heron18",)
    assert found.package.dependencies == ("torch",)
    assert [one.url for one in found.assets] == ["https://a.example/heron18.pth"]
    assert found.package.twin == package().twin


def test_without_a_load_target_of_its_own_repository_the_head_is_read():
    text = b"---\ngithub-id: marsh-lab/vision\n---\ntorch.hub.load('other/one:v9', 'x')\n"
    found = refine(package(text), Files(head={"hubconf.py": "def heron99(): pass\n"}))
    assert found.package.entry_points == ("heron99",)


def test_a_repository_without_the_code_adds_nothing():
    found = refine(package(), Files())
    assert (found.package, found.assets) == (package(), ())


@pytest.mark.parametrize(
    ("url", "prefix", "reason"),
    [
        ("https://download.pytorch.org/models/heron-0a1b2c3d.pth", "0a1b2c3d", None),
        ("https://download.pytorch.org/models/heron.pth", None, None),
        ("https://download.pytorch.org/models/heron-20190427.pth", None, None),
        ("https://download.pytorch.org/models/heron-0a1b2c3.pth", None, None),
        ("https://github.com/a/b/releases/download/v1/heron-0a1b2c3d.pth.tar", "0a1b2c3d", None),
        ("https://hub.example/a/b/releases/download/v1/x.pth", None, SkipReason.UNSUPPORTED),
        ("https://github.com/a/b/raw/main/heron.pth", None, SkipReason.UNSUPPORTED),
        ("https://download.pytorch.org.evil.example/heron.pth", None, SkipReason.UNSUPPORTED),
        ("https://download.pytorch.org:8443/heron.pth", None, SkipReason.UNSUPPORTED),
        ("https://weights.example/download.pytorch.org/heron.pth", None, SkipReason.UNSUPPORTED),
    ],
)
def test_only_weights_that_pytorch_or_a_github_release_serves_are_to_be_fetched(
    url, prefix, reason
):
    found = asset_of(Weight(url, "hubconf.py"))
    assert found == Asset(url=url, place="hubconf.py", sha256_prefix=prefix, reason=reason)


def test_the_setting_for_the_cards_is_a_repository():
    with pytest.raises(UsageError, match="cards"):
        PYTORCHHUB.build(NOTHING, {**PYTORCHHUB.settings, "cards": "https://elsewhere.example"})


async def test_a_listing_is_the_pages_of_the_cards_repository():
    hub = PYTORCHHUB.build(replace(NOTHING, shelves=OneShelf()), PYTORCHHUB.settings)
    page = await hub.page(hub.first_cursor(Scope()))
    assert page.next_cursor is None
    assert [one.name for _, one in parse(page.body).packages] == ["heron"]
    assert (await hub.ask("gone", "gone")).kind is AnswerKind.GONE


def test_every_real_card_is_read_without_drift(samples):
    cards = [
        (path.name, path.read_bytes())
        for path in sorted((samples / "pytorchhub").glob("[a-z]*.md"))
    ]
    found = parsed(*cards)
    assert len(found.packages) == len(cards) > 30
    assert (found.unparsed, found.drift) == ((), ())
    for _, one in found.packages:
        assert one.origin is not None
        assert one.owner is not None
        assert one.task in ("vision", "audio", "nlp")
    targets = {target for _, one in found.packages for target in one.load_targets}
    assert LoadTarget("pytorch/vision", "v0.10.0", "alexnet") in targets
    assert len(targets) > 50
