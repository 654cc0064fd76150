"""A root in which COUNT packages are listed and COUNT visits are done, without any network.

    python finished_root.py ROOT COUNT

Pages, visits and journal lines are invented, and go in by the doors that a run uses: the store, the
journal and the intake. Only the state of the items is set by SQL. Run by the benchmark.
"""

import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.world import record
from ptmtorrent.app.session import Held, held
from ptmtorrent.model.oid import sha256_of
from ptmtorrent.model.visit import Holding, Visit
from ptmtorrent.pipeline.kept import pack_page
from ptmtorrent.pipeline.lines import Kind, Line

PAGE = 1000
HUB = "huggingface"
AT = datetime.now(UTC)
SNAPSHOT = AT.date().isoformat()
_DONE = """
INSERT INTO items (stage, key, hub, snapshot, state, attempts)
SELECT 'visit', url, ?, 1, 'done', 1 FROM origins WHERE true
ON CONFLICT DO UPDATE SET state = 'done'
"""


def main() -> None:
    """Make it."""
    root, count = Path(sys.argv[1]), int(sys.argv[2])
    with held(root, create=True) as here:
        _take(here, [Line(Kind.BEGIN, {"snapshot": SNAPSHOT, "as_of": SNAPSHOT})])
        for first in range(0, count, PAGE):
            numbers = range(first, min(count, first + PAGE))
            _take(here, [_page(here, numbers), *_visits(here, numbers)])
        _take(here, [Line(Kind.LISTING, _said(outcome="complete", reason=None, scope="{}"))])
    with closing(sqlite3.connect(root / "ledger.sqlite")) as ledger, ledger:
        ledger.execute(_DONE, (HUB,))


def _take(here: Held, lines: list[Line]) -> None:
    """What the recorder does with a batch: store, journal, ledger."""
    here.store.flush()
    with here.ledger.transaction():
        entries = [here.journal.append(line.kind, AT, **line.payload) for line in lines]
        here.journal.sync()
        here.intake.take(entries)


def _page(here: Held, numbers: range) -> Line:
    records = [record(number) | {"sha": f"{number:040x}"} for number in numbers]
    sha256 = here.store.put(pack_page(json.dumps(records).encode()))
    more = _said(sha256=sha256, cursor=str(numbers.start), next=None, take=None, globs=[])
    return Line(Kind.PAGE, more)


def _visits(here: Held, numbers: range) -> Iterator[Line]:
    for number in numbers:
        origin = f"https://huggingface.co/{record(number)['id']}"
        visit = Visit(origin, (), None, None).to_bytes()
        holding = Holding(sha256_of(visit), (), (), 0, "git version 2.39.5").to_bytes()
        names = {"visit": here.store.put(visit), "holding": here.store.put(holding)}
        about = {"origin": origin, "fingerprint": f"{number:040x}", "depth": 1}
        yield Line(Kind.VISIT, _said(**names, **about))


def _said(**more: Any) -> dict[str, Any]:
    return {"snapshot": SNAPSHOT, "hub": HUB, **more}


if __name__ == "__main__":
    main()
