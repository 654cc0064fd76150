"""A kill costs little of a file that was on its way."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from ending import finished
from job import Job
from storm import COMMAND, left_behind

from ptmtorrent.sandbox.generate import generate

pytestmark = pytest.mark.slow

SIZE = 24 << 20
PER_KILL = 16 << 20
KILL_AT = (0.1, 0.4, 0.7, 0.95)
"""Parts of a file that are there when the run is killed."""


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> Iterator[Job]:
    """A snapshot with large files that was killed in the middle of them, and finished."""
    place = tmp_path_factory.mktemp("large")
    generate(place / "world", packages=2, one_hub=True, blob_bytes=SIZE)
    job = Job(place / "root", place / "world").with_shared_key()
    with job.served():
        for part in KILL_AT:
            process = job.start(*COMMAND)
            job.until(lambda least=part * SIZE: longest(job.root) >= least, process)
            process.kill()
            process.communicate()
        assert finished(job).code == 0
        job.log = job.requests()
    yield job
    job.close()


def longest(root: Path) -> int:
    """Bytes of the longest file that is or was on its way."""
    found = [*root.glob("store/v1/partial/*"), *root.glob("store/v1/blobs/sha256/*/*/*")]
    return max((size_of(path) for path in found if len(path.name) >= 64), default=0)


def size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def test_at_most_16_mib_of_a_file_come_again_for_each_kill(killed):
    sent = Counter()
    for request in killed.log:
        sent[request["path"].split("?")[0].rpartition("/")[2]] += request["bytes_sent"]
    blobs = {path.name: path.stat().st_size for path in killed.root.glob("store/**/*/*/*/*")}
    again = {name: sent[name] - size for name, size in blobs.items() if name in sent}
    assert len(again) >= 3
    assert all(0 <= more <= len(KILL_AT) * PER_KILL for more in again.values()), again
    assert sum(again.values()) < sum(blobs.values())


def test_nothing_is_left_behind(killed):
    assert list(left_behind(killed.root)) == []
