"""What changed between two snapshots, from exactly the shards of both."""

import duckdb
import pytest
from small_dataset import (
    BIRD,
    CAT,
    FIRST,
    README,
    SECOND,
    WEIGHTS,
    build,
    file,
    listing,
    origin,
    package,
)

from ptmtorrent.errors import IntegrityError, NotFoundError
from ptmtorrent.query.diff import Change, Comparison, nearest

DOG = "https://github.com/org/dog"
OTHER = "d" * 64
NOTHING = {"unreachable": [], "blobs": [], "commits": []}


def compared(folder, before=FIRST, after=SECOND):
    with Comparison(folder, before, after) as found:
        return list(found.changes()), found.counts()


@pytest.fixture
def told(tmp_path):
    """Builds two snapshots of given rows, and tells what changed: (name, kind, before, after)."""

    def tell(first, second):
        folder = tmp_path / "dataset"
        before = build(folder, FIRST, NOTHING | {"origins": [], "files": []} | first)
        build(folder, SECOND, NOTHING | {"origins": [], "files": []} | second, before)
        changes, _ = compared(folder)
        return [(c.name, c.change, c.before, c.after) for c in changes]

    return tell


def test_the_small_dataset_changed_so(folder):
    changes, counts = compared(folder)
    assert changes == [
        Change("huggingface", "2", "org/cat", "gone", "listed", "gone"),
        Change("huggingface", "3", "org/cat", "added", None, "listed"),
        Change("huggingface", "1", "org/eagle", "card", README, None),
        Change("huggingface", "1", "org/eagle", "head", "b1", "b2"),
        Change("huggingface", "1", "org/eagle", "renamed", "org/bird", "org/eagle"),
    ]
    assert counts == [
        ("huggingface", kind, 1) for kind in ("added", "card", "gone", "head", "renamed")
    ]


def test_there_and_back_is_the_same_the_other_way_round(folder):
    forth, _ = compared(folder)
    back, _ = compared(folder, SECOND, FIRST)
    turned = {"added": "gone", "gone": "added"}
    assert {(c.package_id, turned.get(c.change, c.change)) for c in forth} == {
        (c.package_id, c.change) for c in back
    }


def test_a_snapshot_does_not_differ_from_itself(folder):
    assert compared(folder, SECOND, SECOND) == ([], [])


@pytest.mark.parametrize(
    ("asked", "near"), [("2026-10-22", FIRST), ("2026-12-31", SECOND), ("2026-11-21.3", SECOND)]
)
def test_an_unknown_snapshot_is_not_found_and_the_nearest_named(folder, asked, near):
    for pair in ((asked, FIRST), (FIRST, asked)):
        with pytest.raises(NotFoundError, match=f"nearest is {near}$"):
            Comparison(folder, *pair)


def test_what_is_no_snapshot_at_all_is_not_found(folder, tmp_path):
    for asked in ("yesterday", "../..", "2026-13-45", ""):
        with pytest.raises(NotFoundError, match=FIRST):
            Comparison(folder, asked, FIRST)
    with pytest.raises(NotFoundError):
        Comparison(tmp_path, FIRST, SECOND)
    assert nearest(FIRST, ()) is None


def test_gated_and_ungated(told):
    def packages(*statuses):
        rows = [package(f"p{n}", str(n), BIRD, status=s) for n, s in enumerate(statuses)]
        return {"packages": [row | {"origin_key": None, "origin": None} for row in rows]}

    before = packages("listed", "gated", "gated", "private", "gated")
    after = packages("gated", "listed", "unseen", "gated", "gated")
    assert told(before, after) == [
        ("p0", "gated", "listed", "gated"),
        ("p1", "ungated", "gated", "listed"),
        ("p3", "gated", "private", "gated"),
    ]


def test_a_hub_without_ids_renames_by_a_twin(told):
    old = package("old", "old", BIRD, hub="pytorchhub", license_raw="mit")
    first = {"packages": [old], "origins": [origin(BIRD, "b1")]}
    second = {
        "packages": [
            old | {"status": "gone"},
            package("new", "new", BIRD, hub="pytorchhub", former_names=["old"], license_raw="bsd"),
        ],
        "origins": [origin(BIRD, "b1")],
    }
    assert told(first, second) == [
        ("new", "licence", "mit", "bsd"),
        ("new", "renamed", "old", "new"),
    ]


def test_a_package_that_is_back_is_added(told):
    gone = package("a", "1", BIRD, status="gone")
    assert told({"packages": [gone]}, {"packages": [gone | {"status": "listed"}]}) == [
        ("a", "added", "gone", "listed")
    ]


@pytest.mark.parametrize(("outcome", "is_known"), [("complete", True), ("cut", False)])
def test_a_package_without_a_row_is_not_gone_where_the_listing_broke_off(told, outcome, is_known):
    before = {"packages": [package("a", "1", BIRD), package("b", "2", CAT)]}
    gone = package("b", "2", CAT, status="gone")
    changes = told(before, {"packages": [gone], "hubs": [listing(outcome)]})
    assert ("b", "gone", "listed", "gone") in changes
    assert (("a", "gone", "listed", None) in changes) is is_known


def test_what_was_never_visited_has_not_changed(told):
    first = {"packages": [package("a", "1", BIRD)], "origins": [origin(BIRD, None)]}
    second = {
        "packages": [package("a", "1", BIRD)],
        "origins": [origin(BIRD, "b1")],
        "files": [file(BIRD, "b1", "README.md", README)],
    }
    assert told(first, second) == []


def test_a_head_that_only_the_listing_tells_moves_too(told):
    first = {"packages": [package("a", "1", BIRD, head="h1")], "origins": [origin(BIRD, "b1")]}
    second = {"packages": [package("a", "1", BIRD, head="h2")], "origins": [origin(BIRD, "b1")]}
    assert told(first, second) == [("a", "head", "h1", "h2")]


def states(before, after):
    """Rows of one package whose head held these files, and then those."""
    return [
        {
            "packages": [package("a", "1", BIRD)],
            "origins": [origin(BIRD, head)],
            "files": [file(BIRD, head, *one, **more) for one, more in rows],
        }
        for head, rows in (("b1", before), ("b2", after))
    ]


def weight(path, sha256, **more):
    return (path, sha256), {"format": "safetensors", **more}


def kinds(changes):
    return {kind for _, kind, _, _ in changes} - {"head"}


def test_weights_change_by_content_and_path(told):
    (_, _, before, after) = told(
        *states([weight("w", WEIGHTS), weight("v", OTHER)], [weight("w", OTHER)])
    )[1]
    assert len({before, after}) == 2
    assert {len(before), len(after)} == {64}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([weight("w", WEIGHTS)], [weight("w", WEIGHTS)], set()),
        ([weight("w", WEIGHTS)], [weight("v", WEIGHTS)], {"weights"}),
        ([weight("w", WEIGHTS)], [weight("w", OTHER)], {"weights"}),
        ([weight("w", WEIGHTS)], [weight("w", WEIGHTS, oid="1" * 40)], set()),
        ([weight("w", None)], [weight("w", WEIGHTS)], set()),
        ([weight("w", None)], [weight("w", WEIGHTS, oid="1" * 40)], {"weights"}),
        ([weight("x.json", WEIGHTS, format="json")], [weight("y", OTHER, format="image")], set()),
        (
            [weight("w", WEIGHTS, format=None, lfs=True)],
            [weight("w", OTHER, format=None, lfs=True)],
            {"weights"},
        ),
        ([weight("w", WEIGHTS, format="zip", lfs=True)], [weight("x", OTHER)], {"weights"}),
        (
            [weight("w", WEIGHTS, format="image", lfs=True)],
            [weight("w", OTHER, format="image", lfs=True)],
            set(),
        ),
        (
            [weight("README.md", README, format=None)],
            [weight("README.md", OTHER)],
            {"card", "weights"},
        ),
        ([weight("README.md", README, format=None)], [weight("x", README, format=None)], {"card"}),
        ([weight("doc/README.md", README, format=None)], [weight("y", OTHER, format=None)], set()),
        ([weight("w", WEIGHTS)], [], set()),
    ],
)
def test_what_of_a_moved_head_is_a_change(told, before, after, expected):
    assert kinds(told(*states(before, after))) == expected


def test_packages_that_share_an_origin_all_change_and_hubs_are_apart(told):
    def rows(head, content):
        return {
            "packages": [
                package("b", "2", DOG, hub="pytorchhub"),
                package("a", "1", DOG, hub="modelhub"),
                package("c", "1", CAT, hub="pytorchhub"),
            ],
            "origins": [origin(DOG, head), origin(CAT, "c")],
            "files": [file(DOG, head, "README.md", content)],
        }

    assert told(rows("h1", README), rows("h2", OTHER)) == [
        ("a", "card", README, OTHER),
        ("a", "head", "h1", "h2"),
        ("b", "card", README, OTHER),
        ("b", "head", "h1", "h2"),
    ]


def test_a_shard_that_is_not_there_is_an_integrity_error(tmp_path):
    rows = NOTHING | {"origins": [], "files": [], "packages": [package("a", "1", BIRD)]}
    first = build(tmp_path, FIRST, rows)
    build(tmp_path, SECOND, rows, first)
    (tmp_path / first.tables["packages"].shards[0].path).unlink()
    with pytest.raises(IntegrityError, match="packages"):
        Comparison(tmp_path, FIRST, SECOND)


def test_the_connection_is_shut(folder, tmp_path):
    out, secret = tmp_path / "out.csv", tmp_path / "secret"
    secret.write_text("secret")
    with Comparison(folder, FIRST, SECOND) as found:
        for query in (
            "SET threads = 1",
            f"COPY (SELECT 1) TO '{out}'",
            f"FROM read_text('{secret}')",
        ):
            with pytest.raises(duckdb.Error, match=r"locked|disabled|Cannot access"):
                found._connection.execute(query)
    assert not out.exists()
