"""A hub that lists COUNT packages, faster than anybody reads them.

    python listing_server.py COUNT

Records of one size (about two KB with all fields), written by putting numbers into a page that is
made once for each set of fields. Prints one JSON line with its endpoint; serves until ended.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from urllib.parse import parse_qs, urlencode

from aiohttp import web

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.world import record
from ptmtorrent.sandbox.fields import LIST_FIELDS

PAGE = 1000
_FULL = ("author", "sha", "lastModified", "siblings", "gated")
_ID, _NAME = "@@@ID@@@", "@@@NAME@@@"
_FILES = ("README.md", "config.json", "model.safetensors", "tokenizer.json", "vocab.txt")


@lru_cache
def template(fields: Sequence[str]) -> bytes:
    """A page with ``%d`` where the numbers of its packages go, twice in each record."""
    whole = record(0) | {
        "_id": _ID,
        "id": _NAME,
        "sha": "6bb8a0f5" * 5,
        "lastModified": "2024-02-01T00:00:00.000Z",
        "siblings": [{"rfilename": name} for name in _FILES],
        "usedStorage": 548_118_077,
        "cardData": {
            "license": "mit",
            "language": ["en", "mi"],
            "datasets": ["fern-nz/shorebirds"],
            "tags": ["shorebirds"],
        },
        "config": {"architectures": ["WaderForCausalLM"], "model_type": "wader"},
        "safetensors": {"parameters": {"F32": 137_022_720}, "total": 137_022_720},
        "transformersInfo": {"auto_model": "AutoModelForCausalLM", "processor": "AutoTokenizer"},
    }
    whole["modelId"] = whole["id"]
    text = json.dumps({name: whole[name] for name in fields if name in whole})
    text = (
        text.replace("%", "%%").replace(_ID, "%(n)024x").replace(_NAME, "quillmark/wader-%(n)08d")
    )
    return text.encode()


@lru_cache(maxsize=8)
def _page_template(fields: Sequence[str]) -> tuple[bytes, int]:
    """A whole page for the ``%`` operator, and how often a number is needed in each record."""
    one = template(fields).replace(b"%(n)", b"%")
    count = one.replace(b"%%", b"").count(b"%")
    return b"[" + b",".join([one] * PAGE) + b"]", count


def page(fields: Sequence[str], first: int, count: int) -> bytes:
    """The records from ``first`` on, as JSON."""
    whole, each = _page_template(fields)
    if count == PAGE:
        numbers = range(first, first + PAGE)
        return whole % tuple(chain.from_iterable([number] * each for number in numbers))
    one = template(fields)
    return b"[" + b",".join(one % {b"n": n} for n in range(first, first + count)) + b"]"


def _fields(query: dict[str, list[str]]) -> tuple[str, ...]:
    names = query.get("expand", []) + query.get("expand[]", [])
    if names:
        return ("_id", "id", *names)
    return (*LIST_FIELDS, *(_FULL if "full" in query else ()))


async def answer(request: web.BaseRequest, total: int) -> web.Response:
    """One page, and a link to the next."""
    if request.path != "/api/models":
        return web.Response(status=404)
    query = parse_qs(request.query_string)
    first = int(query.get("cursor", ["0"])[0])
    count = min(PAGE, int(query.get("limit", [str(PAGE)])[0]), total - first)
    headers = {"Content-Type": "application/json"}
    if first + count < total:
        rest = urlencode({**query, "cursor": [str(first + count)]}, doseq=True)
        headers["Link"] = f'<http://{request.host}/api/models?{rest}>; rel="next"'
    return web.Response(body=page(_fields(query), first, count), headers=headers)


async def serve(total: int) -> None:
    """Serve until ended."""
    server = web.Server(lambda request: answer(request, total), access_log=None)
    runner = web.ServerRunner(server)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
    print(json.dumps({"endpoint": endpoint}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
