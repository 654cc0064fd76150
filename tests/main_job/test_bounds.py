"""What is asked for is what is fetched: limits, filters, budgets and depths."""

import json
import re
import signal

import pytest
from job import CLOCK, Job, asked

from ptmtorrent.errors import FatalError, IntegrityError, StoppedError
from ptmtorrent.pipeline.listing import Lister
from ptmtorrent.settings import GitSettings
from ptmtorrent.store.local import LocalStore

FIRST, SECOND = CLOCK[:10], f"{CLOCK[:10]}.2"
NAMES = "SELECT name FROM packages ORDER BY name"
VISITED = "SELECT count(*) FROM origins WHERE visit_sha256 IS NOT NULL OR reason IS NOT NULL"


def figures(capsys: pytest.CaptureFixture[str]) -> dict:
    """The last line of ``--json``."""
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def packs(box) -> list[str]:
    return [request for request in asked(box) if request.endswith("/git-upload-pack")]


def test_limit_lists_so_many_and_the_listing_says_so(another: Job):
    with another.served():
        assert another.run("snapshot", "--depth", "listing", "--limit", "3") == 0
    assert len(another.rows(NAMES)) == 3
    [(complete, outcome, scope)] = another.rows("SELECT listing_complete, outcome, scope FROM hubs")
    assert (complete, outcome, json.loads(scope)) == (False, "limited", {"limit": 3})


def test_top_fetches_the_most_downloaded(another: Job):
    with another.served():
        assert another.run("snapshot", "--top", "3") == 0
    assert len(another.rows(NAMES)) == 10
    best = another.rows(
        "SELECT origin FROM packages ORDER BY downloads_30d DESC NULLS LAST, raw_index LIMIT 3"
    )
    tried = another.rows(
        "SELECT url FROM origins WHERE visit_sha256 IS NOT NULL OR reason IS NOT NULL"
    )
    assert set(tried) == set(best)


def test_only_takes_globs_of_names_and_may_be_repeated(another: Job, small: Job):
    names = [name for (name,) in small.rows(NAMES)]
    owners = sorted({name.split("/")[0] for name in names})[:2]
    globs = [f"--only=huggingface:{owner}/*" for owner in owners]
    with another.served():
        assert another.run("snapshot", *globs) == 0
    wanted = [(name,) for name in names if name.split("/")[0] in owners]
    assert another.rows(NAMES) == wanted
    assert 0 < len(wanted) < len(names)
    assert another.rows(VISITED) == [(len(wanted),)]


def test_a_limit_of_bytes_leaves_the_rest_over_limit_and_a_later_snapshot_brings_it(
    another: Job, small: Job, capsys
):
    with another.served():
        assert another.snapshot("--max-bytes", "400KiB", "--json") == 8
        line = figures(capsys)
        assert line["reasons"]["over_limit"] > 0
        [(pack,)] = another.rows("SELECT max(bytes) FROM origins")
        assert line["network"]["bytes"] <= 420 * 1024 + GitSettings().concurrency * pack, (
            "packs under way"
        )
        reasons = another.rows("SELECT DISTINCT reason FROM blobs WHERE NOT held")
        assert reasons == [("over_limit",)]
        assert another.snapshot("--new", "--max-bytes", "1GiB") == 0
    held = "SELECT sha256 FROM blobs WHERE held ORDER BY 1"
    assert another.rows(held) == small.rows(held)
    assert another.rows("SELECT count(*) FROM files WHERE NOT held") == [(0,)]


def test_going_deeper_fetches_objects_and_no_pack_again(another: Job, small: Job):
    with another.served():
        assert another.run("snapshot", "--depth", "history") == 0
        assert another.rows("SELECT count(*) FROM files WHERE lfs AND held") == [(0,)]
    with another.served() as box:
        assert another.snapshot("--new") == 0
        assert packs(box) == []
    assert another.rows("SELECT count(*) FROM files WHERE NOT held") == [(0,)]
    for table in ("packages", "files", "commits", "blobs"):
        query = f"SELECT * EXCLUDE (snapshot, first_seen, last_seen) FROM {table} ORDER BY ALL"
        query = query if table == "packages" else f"SELECT count(*) FROM {table}"
        assert another.rows(query, SECOND) == small.rows(query), table
    assert another.rows("SELECT count(*) FROM files WHERE lfs AND held", FIRST) == [(0,)]


def test_what_failed_is_named_and_mended_by_retry_failed(another: Job, capsys):
    with another.served("cdn=corrupt:1"):
        assert another.snapshot() == 3
    told = capsys.readouterr()
    assert "corrupt" in told.err
    assert "--retry-failed" in told.err
    assert another.rows("SELECT DISTINCT reason FROM blobs WHERE NOT held") == [("corrupt",)]
    with another.served() as box:
        assert another.snapshot() == 0, "today's is finished"
        assert asked(box) == []
        assert another.snapshot("--retry-failed") == 0
    assert another.rows("SELECT count(*) FROM blobs WHERE NOT held") == [(0,)]
    assert another.dataset().snapshot == SECOND


def test_where_another_source_is_set_nothing_is_tried_again(of_five: Job, capsys):
    only = ("--only", "pytorchhub")
    with of_five.served("weights=corrupt:1") as box:
        assert of_five.run("list", *only) == 0
        assert of_five.run("fetch", "--depth", "full", *only) == 3
        failed = of_five.items("asset", "failed")
        assert failed
        asked_before = box.requests.read_text()
        settings = re.sub('cards = "[^"]*"', 'cards = "another/hub"', of_five.config.read_text())
        of_five.config = of_five.root.parent / "another-source.toml"
        of_five.config.write_text(settings)
        assert of_five.snapshot(*only, "--retry-failed") == 2
        assert box.requests.read_text() == asked_before
    assert "set [hubs.pytorchhub] back" in capsys.readouterr().err
    assert of_five.items("asset", "failed") == failed


@pytest.mark.parametrize(
    "command", [("list",), ("snapshot", "--depth", "listing")], ids=["list", "snapshot"]
)
def test_what_is_not_tried_again_keeps_its_reason(another: Job, command: tuple[str, ...]):
    with another.served("cdn=corrupt:1"):
        assert another.run("list") == 0
        assert another.run("fetch", "--depth", "full") == 3
        failed = another.items("object", "failed")
        assert failed
        assert another.run(*command, "--retry-failed") == 3
        assert another.items("object", "failed") == failed
    if command == ("list",):
        assert another.run("build") == 3
    assert another.rows("SELECT DISTINCT reason FROM blobs WHERE NOT held") == [("corrupt",)]


def test_a_finished_day_says_so_and_new_begins_the_next(another: Job, capsys):
    with another.served():
        assert another.run("snapshot", "--depth", "listing") == 0
        capsys.readouterr()
        assert another.run("snapshot", "--depth", "listing", "--json") == 0
        told = capsys.readouterr()
        assert "is finished" in told.err
        assert json.loads(told.out)["snapshot"] == FIRST
        assert another.run("snapshot", "--depth", "listing", "--new") == 0
        assert another.run("snapshot", "--depth", "listing", "--as-of", "2030-01-31") == 0
    with another.dataset() as dataset:
        assert dataset.snapshots == (FIRST, SECOND, "2030-01-31")


def test_an_unfinished_snapshot_is_gone_on_with_on_another_day(another: Job, monkeypatch, capsys):
    with another.served():
        assert another.run("list") == 0
        monkeypatch.setenv("PTMTORRENT_CLOCK", "2026-11-23T09:00:00Z")
        assert another.run("snapshot", "--depth", "listing") == 0
    assert f"going on with snapshot {FIRST}" in capsys.readouterr().err
    assert another.dataset().snapshot == FIRST


def test_a_listing_killed_after_its_last_page_is_not_listed_again(another: Job, monkeypatch):
    def killed(*_: object) -> None:
        raise StoppedError(signal.SIGTERM)

    with another.served() as box:
        with monkeypatch.context() as patch:
            patch.setattr(Lister, "_end", killed)
            assert another.run("list") == 143
        assert another.run("list") == 0
        assert len([r for r in asked(box) if r == "GET /api/models"]) == 1
        assert another.run("build") == 0
    assert another.rows("SELECT listed, outcome FROM hubs") == [(10, "complete")]


@pytest.mark.parametrize(
    ("place", "name", "error", "code"),
    [
        (LocalStore, "writer", FatalError("the disk is full"), 7),
        (Lister, "_end", IntegrityError("a blob is not what it was"), 6),
        (Lister, "_end", RuntimeError("a bug of ours"), 1),
    ],
)
def test_what_stops_a_run_stops_it_with_its_own_code(
    another: Job, small: Job, monkeypatch, capsys, place, name, error, code
):
    def broken(*_: object, **__: object) -> None:
        raise error

    with another.served():
        with monkeypatch.context() as patch:
            patch.setattr(place, name, broken)
            assert another.snapshot() == code
        assert str(error) in capsys.readouterr().err
        assert another.snapshot() == 0
    assert another.content() == small.content()


def test_a_listing_that_could_not_be_had_is_asked_for_again_in_the_open_snapshot(another: Job):
    with another.served("list=gone:1"):
        assert another.run("list") == 5
    with another.served():
        assert another.run("list") == 0
        assert another.run("build") == 0
    assert another.rows("SELECT listing_complete, outcome, listed FROM hubs") == [
        (True, "complete", 10)
    ]
