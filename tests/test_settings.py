"""Settings: what is written is what is meant, and a slip is named."""

from dataclasses import replace

import pytest

from ptmtorrent.errors import NotFoundError, UsageError
from ptmtorrent.hubs import HUBS
from ptmtorrent.model.work import Depth
from ptmtorrent.settings import defaults, from_table, load, parse_size

KNOWN = {kind.id: kind.settings for kind in HUBS}


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), (17, 17), ("256MiB", 256 * 2**20), ("1.5 GB", 1_500_000_000), ("2KiB", 2048)],
)
def test_sizes_are_read_in_bytes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "-1", "1e9", "10 apples", "MiB", "1 kib", "0x10"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(UsageError, match="not a size"):
        parse_size(text)


def test_a_table_overrides_defaults_and_leaves_the_rest():
    table = {
        "depth": "full",
        "max_bytes": "1GiB",
        "hubs": {"huggingface": {"endpoint": "http://127.0.0.1:1"}},
        "git": {"max_pack": "1MiB"},
        "network": {"allow_private": True},
    }
    settings = from_table(table, KNOWN)
    assert settings.depth is Depth.FULL
    assert settings.max_bytes == 2**30
    assert settings.hubs["huggingface"] == {"enabled": True, "endpoint": "http://127.0.0.1:1"}
    assert settings.git.max_pack == 2**20
    assert settings.git.blob_limit == defaults(KNOWN).git.blob_limit
    assert settings.network.allow_private


@pytest.mark.parametrize(
    ("table", "names"),
    [
        ({"dept": "full"}, "'depth'"),
        ({"hubs": {"hugingface": {}}}, "'huggingface'"),
        ({"hubs": {"huggingface": {"endpont": "x"}}}, "'endpoint'"),
        ({"git": {"max_pak": 1}}, "'max_pack'"),
        ({"depth": "ful"}, "'full'"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest_valid_one(table, names):
    with pytest.raises(UsageError, match=names):
        from_table(table, KNOWN)


@pytest.mark.parametrize(
    "table",
    [
        {"network": {"allow_private": "yes"}},
        {"network": {"timeout_s": -1}},
        {"hubs": {"huggingface": {"enabled": 1}}},
        {"hubs": 3},
        {"contact": 3},
        {"git": {"concurrency": True}},
    ],
)
def test_a_value_of_another_type_is_refused(table):
    with pytest.raises(UsageError, match="must be"):
        from_table(table, KNOWN)


def test_a_missing_or_broken_file_is_named(tmp_path):
    with pytest.raises(NotFoundError):
        load(tmp_path / "none.toml", KNOWN)
    broken = tmp_path / "broken.toml"
    broken.write_text("depth = ")
    with pytest.raises(UsageError, match=r"broken\.toml"):
        load(broken, KNOWN)


def test_only_selects_hubs_and_globs():
    settings = from_table({}, KNOWN)
    assert settings.selected() == dict.fromkeys(KNOWN, ())
    some = replace(settings, only=("huggingface:a/*", "huggingface:b/c"))
    assert some.selected() == {"huggingface": ("a/*", "b/c")}
    with pytest.raises(UsageError, match="'huggingface'"):
        replace(settings, only=("huggingfase",)).selected()
