"""Bytes that are not what their name says are never handed out as if they were."""

from job import Job

from ptmtorrent.store.layout import Layout


def test_get_names_a_damaged_blob_and_leaves_no_file(fresh: Job, tmp_path, capfd):
    with fresh.served():
        assert fresh.snapshot() == 0
    [(digest, name, path)] = fresh.rows(
        "SELECT f.sha256, p.name, f.path FROM files f JOIN packages p USING (origin_key)"
        " WHERE f.lfs AND f.held AND f.size > 65536 ORDER BY f.sha256 LIMIT 1"
    )
    blob = Layout(fresh.root).blob(digest)
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 1
    blob.chmod(0o644)
    blob.write_bytes(data)
    target = tmp_path / "out.bin"
    assert fresh.run("get", f"huggingface:{name}", path, "-o", str(target)) == 6
    assert digest in capfd.readouterr().err
    assert list(tmp_path.glob("out.bin*")) == []
