"""A large origin is held in part, and deeper later; what was said of it before stays said."""

from job import Job, sha256


def test_what_a_filter_left_out_is_told_when_a_deeper_snapshot_fetches_it(fresh: Job, capfdbinary):
    with fresh.served():
        fresh.config.write_text(
            fresh.config.read_text() + '\n[git]\nmax_pack = "100KiB"\nblob_limit = "20KiB"\n'
        )
        assert fresh.run("snapshot", "--as-of", "2026-11-21", "--depth", "history") == 0
        filtered = fresh.rows("SELECT origin, path FROM files WHERE reason = 'filtered'")
        assert filtered
        depths = {
            d
            for (d,) in fresh.rows(
                "SELECT DISTINCT depth FROM packages WHERE origin IN"
                " (SELECT url FROM origins WHERE filter IS NOT NULL)"
            )
        }
        assert depths == {"history"}
        fresh.config.write_text(fresh.config.read_text().replace("100KiB", "1MiB"))
        assert fresh.run("snapshot", "--as-of", "2026-11-22", "--depth", "full") in (0, 8)
    origin, path = filtered[0]
    assert fresh.rows("SELECT count(*) FROM files WHERE reason = 'filtered'") == [(0,)]
    [(digest, held, name)] = fresh.rows(
        "SELECT f.sha256, f.held, p.name FROM files f JOIN packages p USING (origin_key)"
        f" WHERE f.origin = '{origin}' AND f.path = '{path}'"
    )
    assert held
    capfdbinary.readouterr()
    assert fresh.run("get", f"huggingface:{name}", path) == 0
    assert sha256(capfdbinary.readouterr().out) == digest
    before = fresh.rows("SELECT count(*) FROM files WHERE reason = 'filtered'", "2026-11-21")
    assert before == [(len(filtered),)]
    [(rows, distinct)] = fresh.rows(
        "SELECT count(*), count(DISTINCT (origin_key, revision, path)) FROM files"
    )
    assert rows == distinct
