"""One bad repository costs itself: every other row is there, and the run ends as it should."""

import json

import pytest

from ptmtorrent.errors import CorruptError
from ptmtorrent.pipeline import telling


def test_an_origin_whose_facts_cannot_be_read_has_its_reason_and_the_others_their_rows(
    fresh, monkeypatch
):
    real = telling.commits
    broken: list[str] = []

    def commits(view, key):
        if not broken:
            broken.append(view.visit.url)
        if view.visit.url == broken[0]:
            raise CorruptError("a commit is not here")
        yield from real(view, key)

    monkeypatch.setattr(telling, "commits", commits)
    with fresh.served():
        assert fresh.snapshot() == 0
    rows = dict(fresh.rows("SELECT url, reason FROM origins"))
    assert rows[broken[0]] == "corrupt"
    with_commits = {u for (u,) in fresh.rows("SELECT DISTINCT origin FROM commits")}
    assert with_commits == {u for u, reason in rows.items() if reason is None}
    assert len(with_commits) > 3
    assert fresh.rows(f"SELECT count(*) FROM all_files WHERE origin = '{broken[0]}'") == [(0,)]

    monkeypatch.setattr(telling, "commits", real)
    with fresh.served():
        assert fresh.snapshot("--new") == 0
    assert fresh.rows(f"SELECT reason FROM origins WHERE url = '{broken[0]}'") == [(None,)]
    for table, key in (("commits", "oid"), ("files", "path")):
        [(rows, distinct)] = fresh.rows(
            f"SELECT count(*), count(DISTINCT {key}) FROM all_{table} WHERE origin = '{broken[0]}'"
        )
        assert rows == distinct > 0


@pytest.mark.parametrize("fault", ["git=truncate:#3", "cdn=corrupt:#2", "resolve=500:#1"])
def test_a_fault_that_passes_is_mended_within_the_run(fresh, fault):
    with fresh.served(fault):
        assert fresh.snapshot() in (0, 3)
    with fresh.served():
        assert fresh.snapshot("--retry-failed") == 0
    truth = fresh.truth()
    listed = [r for r in truth["repositories"] if r["status"] == "listed"]
    commits = sum(r["commit_count"] for r in listed if r["forge"] == "huggingface")
    assert fresh.rows("SELECT count(*) FROM commits") == [(commits,)]
    lost = fresh.rows("SELECT count(*) FROM blobs WHERE NOT held AND reason <> 'missing_at_origin'")
    assert lost == [(0,)]
    left = list((fresh.root / "store/v1/partial").iterdir())
    assert left == []
    manifests = sorted((fresh.root / "dataset/snapshots").glob("*/manifest.json"))
    assert json.loads(manifests[-1].read_text())["content_sha256"]
