"""Reading hubconf.py and the modules behind it, without running a line of them."""

import ast
import textwrap
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptmtorrent.hubs.reading import hubconf
from ptmtorrent.hubs.reading.hubconf import Hubconf, is_weight, read_hubconf

U = "https://download.pytorch.org/models"


class Repository:
    """Sources by path; counts what is asked for."""

    def __init__(self, files: Mapping[str, str | bytes]) -> None:
        self.asked: list[str] = []
        self.files = {
            path: text if isinstance(text, bytes) else textwrap.dedent(text).encode()
            for path, text in files.items()
        }

    def __call__(self, path: str) -> bytes | None:
        self.asked.append(path)
        return self.files.get(path)


def read(files: Mapping[str, str | bytes], *wanted: str) -> Hubconf:
    return read_hubconf(Repository(files), wanted)


def names(files: Mapping[str, str | bytes], *wanted: str) -> list[str]:
    """The file names of the weights."""
    return [weight.url.rpartition("/")[2] for weight in read(files, *wanted).weights]


VISION = {
    "hubconf.py": """
        dependencies = ["torch", 'numpy', 3]
        from functools import partial
        import os
        from marsh.models.heron import heron18, heron34, wide_heron50 as heron_wide
        from marsh.models.tern import tern, Tern_Weights
        from marsh.segmentation import fcn_heron50
        from elsewhere import stranger
        """,
    "marsh/models/__init__.py": "from .heron import *\nfrom .tern import *\n",
    "marsh/models/heron.py": f"""
        import torch.nn as nn
        from ..hub import load_url

        model_urls = {{
            'heron18': '{U}/heron18-00000018.pth',
            'heron34': '{U}/heron34-00000034.pth',
            'wide_heron50': '{U}/wide_heron50-00000050.pth',
        }}

        class Heron(nn.Module):
            '''See {U}/docstring-0000000d.pth for more.'''

        def _heron(arch, **kwargs):
            return load_url(Heron(), model_urls[arch])

        def heron18(pretrained=False, **kwargs):
            return _heron('heron18', **kwargs)

        def heron34(pretrained=False, **kwargs):
            return _heron('heron34', **kwargs)

        def wide_heron50(pretrained=False, **kwargs):
            return _heron('wide_heron50', **kwargs)
        """,
    "marsh/models/tern.py": f"""
        class Tern_Weights(WeightsEnum):
            V1 = Weights(url="{U}/tern-0000000a.pth", meta={{"size": 1}})
            V2 = Weights(url="{U}/tern-0000000b.pth")

        @register(weights=("pretrained", Tern_Weights.V1))
        def tern(*, weights: Tern_Weights | None = None):
            return None
        """,
    "marsh/segmentation/__init__.py": "from .segmentation import *\n",
    "marsh/segmentation/segmentation.py": f"""
        from ..models import heron
        urls = {{'fcn_heron50_coco': '{U}/fcn-0000000f.pth', 'mask_coco': '{U}/mask-00000001.pth'}}

        def fcn_heron50(pretrained=False):
            backbone = heron.__dict__['x'](pretrained)
            return urls['fcn' + '_' + 'heron50' + '_coco']
        """,
    "marsh/hub.py": f"EXAMPLE = '{U}/never-0000000e.pth'\ndef load_url(*_): ...\n",
}


def test_entry_points_are_the_public_callables_of_this_repository_in_their_order():
    found = read(VISION)
    assert found.entry_points == (
        *("heron18", "heron34", "heron_wide", "tern", "Tern_Weights", "fcn_heron50"),
    )
    assert found.dependencies == ("torch", "numpy")


@pytest.mark.parametrize(
    ("wanted", "weights"),
    [
        (("heron18",), ["heron18-00000018.pth"]),
        (("heron34", "heron18"), ["heron18-00000018.pth", "heron34-00000034.pth"]),
        (("heron_wide",), ["wide_heron50-00000050.pth"]),
        (("tern",), ["tern-0000000a.pth", "tern-0000000b.pth"]),
        (("fcn_heron50",), ["fcn-0000000f.pth"]),
    ],
)
def test_a_card_gets_the_weights_of_its_own_entry_points_only(wanted, weights):
    assert sorted(names(VISION, *wanted)) == weights


def test_a_weight_says_which_file_names_it():
    (weight,) = read(VISION, "heron18").weights
    assert weight.place == "marsh/models/heron.py"


def test_when_the_wanted_entry_points_are_not_offered_all_weights_count():
    found = names(VISION, "nobody")
    assert len(found) == 6
    assert "never-0000000e.pth" not in found


def test_when_an_entry_point_leads_to_no_weights_those_of_its_module_count():
    files = {
        "hubconf.py": "from bank.tern import tern\nfrom bank.heron import heron\n",
        "bank/tern.py": f"urls = {{'tern_v1': '{U}/a.pth', 'x': '{U}/b.pth'}}\ndef tern(): ...\n",
        "bank/heron.py": f"urls = ['{U}/c.pth']\ndef heron(): ...\n",
    }
    assert names(files, "tern") == ["a.pth"]
    assert names(files, "heron") == ["c.pth"]


def test_blocks_are_read_but_not_what_only_runs_as_a_program():
    files = {
        "hubconf.py": f"""
        try:
            from fast import heron
        except ImportError:
            from slow import heron
        finally:
            dependencies = ("torch",)
        if True:
            def tern(): return "{U}/tern.pth"
        else:
            def _hidden(): pass
        with x:
            ibis = lambda: 1
        stork = functools.partial(tern, 1)
        not_callable = 3
        if __name__ == "__main__":
            def main(): return "{U}/main.pth"
        """,
        "slow.py": "def heron(): pass\n",
    }
    assert read(files).entry_points == ("heron", "tern", "ibis", "stork")
    assert read(files).dependencies == ("torch",)
    assert names(files) == ["tern.pth"]


@pytest.mark.parametrize(
    "imports",
    [
        "from bank.birds import heron",
        "import bank.birds\ndef heron(): return bank.birds.heron()",
        "import bank.birds as b\ndef heron(): return b.heron()",
        "from bank import birds\ndef heron(): return birds.heron()",
        "from bank.birds import *",
        "def heron():\n    from bank.birds import heron\n    return heron()",
        "from .bank.birds import heron",
        "from . import bank\nfrom bank import birds\nheron = lambda: birds.heron",
    ],
)
def test_whatever_way_a_module_is_imported_it_is_followed(imports):
    files = {"hubconf.py": imports, "bank/birds.py": f"def heron(): return '{U}/heron.pth'\n"}
    assert read(files).entry_points == ("heron",)
    assert names(files, "heron") == ["heron.pth"]


def test_a_package_is_its_init_file_and_a_name_may_be_handed_on_more_than_once():
    files = {
        "hubconf.py": "from bank import heron",
        "bank/__init__.py": "from .inner import heron",
        "bank/inner/__init__.py": "from .deep import grey as heron",
        "bank/inner/deep.py": "from ..urls import URL\ndef grey(): return URL\n",
        "bank/urls.py": f"URL = '{U}/grey.pth'\n",
    }
    assert names(files, "heron") == ["grey.pth"]


def test_modules_that_import_each_other_end():
    files = {
        "hubconf.py": "from a import x\nfrom hubconf import *\n",
        "a.py": "from b import *\nfrom b import x\n",
        "b.py": "from a import *\nfrom a import x\n",
    }
    assert read(files, "x").weights == ()


@pytest.mark.parametrize(
    "source",
    [
        b"def heron(:\n",
        b"print 'python two'\n",
        b"a\0b",
        b"(" * 5000,
        b"-" * 200_000 + b"1",
        b"a" + b".a" * 120_000,
        b"1" + b"+1" * 120_000,
        b"x = " + b"9" * 10_000,
        b"# coding: no-such-coding\n(",
        b"\xff\xfe\xff",
    ],
)
def test_a_source_that_python_cannot_read_counts_as_missing(source):
    assert read({"hubconf.py": source}) == Hubconf()
    files = {"hubconf.py": f"from bad import *\ndef tern(): return '{U}/t.pth'\n", "bad.py": source}
    assert read(files).entry_points == ("tern",)
    assert names(files) == ["t.pth"]


def test_nothing_that_is_read_is_run(tmp_path):
    trap = tmp_path / "trap"
    source = f"open({str(trap)!r}, 'w')\ndependencies = [__import__('os').getcwd()]\nimport this\n"
    assert read({"hubconf.py": source}) == Hubconf()
    assert not trap.exists()


def test_the_coding_that_a_source_asks_for_is_not_obeyed():
    assert read({"hubconf.py": b"# coding: rot13\ndef heron(): pass\n"}).entry_points == ("heron",)


def test_a_source_beyond_the_limit_is_not_read():
    padding = "#" * hubconf.LARGEST
    assert read({"hubconf.py": f"def heron(): pass\n{padding}"}) == Hubconf()


def test_reading_ends_after_so_many_files():
    lines = "".join(f"from m{n} import f{n}\n" for n in range(2 * hubconf.MOST_READS))
    repository = Repository({"hubconf.py": lines})
    read_hubconf(repository, ())
    assert len(repository.asked) == hubconf.MOST_READS


def test_reading_ends_after_so_many_bytes():
    padding = "#" * (hubconf.LARGEST - 100)
    modules = {f"m{n}.py": f"def f{n}(): pass\n{padding}" for n in range(20)}
    lines = "".join(f"from m{n} import f{n}\n" for n in range(20))
    found = read({"hubconf.py": lines, **modules})
    assert 0 < len(found.entry_points) <= hubconf.MOST_BYTES // (hubconf.LARGEST - 100)


def test_entry_points_and_weights_are_bounded():
    lines = "".join(f"def f{n}(): return '{U}/{n}.pth'\n" for n in range(2000))
    found = read({"hubconf.py": lines})
    assert len(found.entry_points) == hubconf.MOST_ENTRY_POINTS
    assert len(found.weights) == hubconf.MOST_WEIGHTS


def test_no_path_outside_the_repository_is_asked_for():
    repository = Repository({"hubconf.py": "from .....x import a\nfrom ... import b\nimport c.d\n"})
    read_hubconf(repository, ())
    assert all(not path.startswith("/") and ".." not in path for path in repository.asked)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (f"{U}/heron.pth", True),
        (f"{U}/heron.pth.tar", True),
        ("https://a.example/heron.pt?download=1", True),
        ("http://a.example/heron.pth", False),
        ("https://user:secret@a.example/heron.pth", False),
        ("https://a.example/heron.png", False),
        ("https://a.example/heron", False),
        ("https://a.example/a heron.pth", False),
        ("https://[a/heron.pth", False),
        (f"see {U}/heron.pth", False),
        ("heron.pth", False),
    ],
)
def test_a_weight_is_an_https_url_of_a_file_that_looks_like_one(text, is_one):
    assert is_weight(text) is is_one


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8")))
def test_any_source_is_survived(source):
    files = {"hubconf.py": source, "a.py": source}
    assert_possible(read(files), files)


def assert_possible(found: Hubconf, files: Mapping[str, bytes]) -> None:
    """Of a file that Python refuses nothing is read; else every function and class is offered."""
    try:
        body = ast.parse(files["hubconf.py"]).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        assert found == Hubconf()
        return
    defined = {one.name for one in body if isinstance(one, ast.FunctionDef | ast.ClassDef)}
    assert defined <= set(found.entry_points)
    assert len(set(found.entry_points)) == len(found.entry_points)
    assert all(name.isidentifier() for name in found.entry_points)
    assert all(is_weight(weight.url) and weight.place in files for weight in found.weights)


WORDS = st.sampled_from(
    [
        *("import ", "from ", "a", "b", ".", " as ", "*", "\n", "def f(): ", "class C: ", "pass"),
        *("=", "[", "]", "{", "}", ":", ",", "'https://x.example/a.pth'", "if 1:\n ", "lambda:"),
        *("try:\n ", "except:\n ", "dependencies", "(", ")", " ", "partial", "hubconf"),
    ]
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(WORDS, max_size=8).map("".join), max_size=8), st.text(max_size=3))
def test_any_program_is_survived(lines, wanted):
    source = "\n".join(lines).encode()
    files = {"hubconf.py": source, "a.py": source, "b/__init__.py": source}
    assert_possible(read(files, wanted, "f"), files)
