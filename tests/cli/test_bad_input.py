"""A slip is answered in one sentence with its exit code, and leaves nothing behind."""

import json
import re
from pathlib import Path

import pytest

from ptmtorrent import __version__
from ptmtorrent.app import showing
from ptmtorrent.cli import COMMANDS, main
from ptmtorrent.sandbox.world import World
from ptmtorrent.store.root import open_root


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """An empty working directory, and an environment that says nothing."""
    monkeypatch.chdir(tmp_path)
    for name in ("ROOT", "DEPTH", "TOP", "MAX_BYTES", "CONTACT", "CLOCK"):
        monkeypatch.delenv(f"PTMTORRENT_{name}", raising=False)


@pytest.fixture
def say(capsys):
    """Give a command; (exit code, stdout, stderr)."""

    def saying(*words: str) -> tuple[int, str, str]:
        code = main(words)
        told = capsys.readouterr()
        return code, told.out, told.err

    return saying


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "no command"),
        (["--json"], "no command"),
        (["snapshto"], "'snapshot'"),
        (["--quiet", "qery", "SELECT 1"], "'query'"),
        (["xyzzy"], "known: build, demo"),
        (["snapshot", "--dept", "full"], "'--depth'"),
        (["snapshot", "--retry-faild"], "'--retry-failed'"),
        (["status", "--retry-failed=1"], "unknown argument of status"),
        (["snapshot", "leftover"], "unknown argument of snapshot 'leftover'"),
        (["--new", "snapshot"], "--new: the command comes first"),
        (["--depth", "full", "snapshot"], "--depth: the command comes first"),
        (["snapshot", "--depth", "fulll"], "'full'"),
        (["snapshot", "--depth"], "expected one argument"),
        (["snapshot", "--only", "hugingface"], "'huggingface'"),
        (["snapshot", "--only", "huggingface:a/*", "--only", "zoo:x"], "unknown hub 'zoo'"),
        (["--jsn", "status"], "did you mean '--json'?"),
        (["snapshot", "--only", "huggingface:"], "selects nothing"),
        (["snapshot", "--top", "0"], "not a number from 1"),
        (["sandbox", "box", "--packages", "-1"], "not a number from 1"),
        (["sandbox", "box", "--rtt-ms", "-5"], "not a number from 0"),
        (["sandbox", "box", "--port", "65536"], "not a port"),
        (["snapshot", "--limit", "-3"], "not a number from 1"),
        (["snapshot", "--limit", "many"], "not a number from 1"),
        (["list", "--limit", "100000000000000000000"], "not a number from 1 to 999999999"),
        (["gc", "--grace", "9999999999"], "not a number from 1 to 999999999"),
        (["snapshot", "--max-bytes", "1 apple"], "not a size"),
        (["snapshot", "--as-of", "20261121"], "a day like"),
        (["snapshot", "--as-of", "2026-W47-6"], "a day like"),
        (["snapshot", "--as-of", "2026-02-30"], "a day like"),
        (["get", "huggingface:a/b"], "path"),
        (["sandbox"], "DIR"),
        (["status", "--log-file", "no/such/folder/x.log"], "cannot write the log"),
    ],
)
def test_a_slip_is_named_with_what_was_meant(say, tmp_path, words, told):
    code, out, err = say(*words)
    assert (code, out) == (2, "")
    assert told in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("depth = ", "ptmtorrent.toml"),
        ("dept = 'full'", "'depth'"),
        ("[hubs.hugingface]", "'huggingface'"),
        ("[network]\ntimeout = 3", "'timeout_s'"),
        ("depth = 'deep'", "known: full, history, listing"),
        ("[hubs.huggingface]\nenabled = 'yes'", "must be a bool"),
        ("[network]\ntimeout_s = 0", "network.timeout_s must be a number above 0"),
        ("[git]\nconcurrency = 0", "git.concurrency: not a number from 1"),
        ("[git]\nmax_pack = -1", "git.max_pack: not a size"),
        ("top = 0", "top: not a number from 1"),
    ],
)
def test_a_slip_in_the_settings_is_named(say, tmp_path, settings, told):
    (tmp_path / "ptmtorrent.toml").write_text(settings)
    code, out, err = say("snapshot")
    assert (code, out) == (2, "")
    assert told in err
    assert [path.name for path in tmp_path.iterdir()] == ["ptmtorrent.toml"]


def test_a_hub_that_is_switched_off_cannot_be_chosen(say, tmp_path):
    (tmp_path / "ptmtorrent.toml").write_text("[hubs.huggingface]\nenabled = false")
    code, _, err = say("snapshot", "--only", "huggingface")
    assert code == 2
    assert "switched off" in err


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("PTMTORRENT_CLOCK", "yesterday", "PTMTORRENT_CLOCK"),
        ("PTMTORRENT_CLOCK", "2026-11-21T00:00:00", "without a zone"),
        ("PTMTORRENT_DEPTH", "fulll", "'full'"),
        ("PTMTORRENT_TOP", "x", "PTMTORRENT_TOP: not a number from 1"),
        ("PTMTORRENT_MAX_BYTES", "x", "PTMTORRENT_MAX_BYTES: not a size"),
    ],
)
def test_a_slip_in_the_environment_is_named(say, monkeypatch, name, value, told):
    monkeypatch.setenv(name, value)
    code, _, err = say("status")
    assert code == 2
    assert told in err


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["query", "SELECT 1"],
        ["get", "huggingface:a/b", "c"],
        ["status", "--config", "none.toml"],
    ],
)
def test_what_is_not_there_is_four_and_is_not_made(say, tmp_path, words):
    code, out, err = say(*words)
    assert (code, out) == (4, "")
    assert str(tmp_path) in err or "none.toml" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["plan", "fetch", "build"])
def test_nothing_can_be_gone_on_with_before_a_listing(say, command):
    code, _, err = say(command)
    assert code == 4
    assert "`ptmtorrent list`" in err


def test_a_strangers_folder_is_left_alone(say, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter.txt").write_text("dear")
    for command in ("snapshot", "list"):
        code, _, err = say("--root", "mine", command)
        assert code == 2
        assert "letter.txt" in err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]
    code, _, err = say("demo", "mine")
    assert (code, "letter.txt" in err) == (2, True)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]
    assert say("--root", "mine", "status")[0] == 4


def test_a_demo_that_was_stopped_while_its_world_was_made_begins_it_anew(
    say, tmp_path, monkeypatch
):
    def stopped(world: World, directory: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(World, "save", stopped)
        main(["demo", "shown"])
    monkeypatch.setattr(showing, "run_passes", lambda context, options: 0)
    monkeypatch.setattr(showing, "query", lambda context, options: None)
    code, _, err = say("demo", "shown")
    assert (code, "ask more" in err) == (0, True)
    assert {path.name for path in (tmp_path / "shown/sandbox").iterdir()} >= {
        "world.json",
        "truth.json",
    }
    assert not (tmp_path / "shown/sandbox.part").exists()


def test_a_demo_leaves_what_it_did_not_make(say, tmp_path, monkeypatch):
    monkeypatch.setattr(showing, "generate", lambda folder: folder.mkdir())
    open_root(tmp_path / "shown", create=True)
    (tmp_path / "shown/sandbox").mkdir()
    (tmp_path / "shown/sandbox/letter.txt").write_text("dear")
    code, _, err = say("demo", "shown")
    assert (code, "shown/sandbox is in the way" in err) == (2, True)
    assert (tmp_path / "shown/sandbox/letter.txt").read_text() == "dear"


@pytest.mark.parametrize("place", ["letter.txt", "letter.txt/x", "nowhere"])
@pytest.mark.parametrize("words", [["demo"], ["sandbox"], ["list", "--root"]])
def test_a_place_that_can_be_no_folder_is_named(say, tmp_path, words, place):
    (tmp_path / "letter.txt").write_text("dear")
    (tmp_path / "nowhere").symlink_to("nothing")
    code, _, err = say(*words, place)
    assert code == 2
    assert place in err
    assert "internal" not in err


def test_a_root_of_a_newer_format_is_not_touched(say, tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new/ptmtorrent.json").write_text(json.dumps({"format": 99}))
    for words in (["status"], ["snapshot"], ["query", "SELECT 1"]):
        code, _, err = say("--root", "new", *words)
        assert code == 2
        assert "newer" in err


def test_help_lists_exactly_the_commands_that_work(say, capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    shown = capsys.readouterr().out
    listed = re.findall(r"^    (\w+) ", shown, re.MULTILINE)
    assert listed == list(COMMANDS)
    for command in COMMANDS:
        with pytest.raises(SystemExit, match="0"):
            main([command, "--help"])
        assert f"ptmtorrent {command}" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--version"], ["snapshot", "--version"]])
def test_version_is_told_anywhere(capsys, words):
    with pytest.raises(SystemExit, match="0"):
        main(words)
    assert capsys.readouterr().out == f"ptmtorrent {__version__}\n"
