"""The question for a pack, and its answer taken apart, however it is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptmtorrent.errors import CorruptError
from ptmtorrent.net.uploadpack import MOST_HAVES, PackAnswer, request_of

A, B, C = "a" * 40, "b" * 40, "c" * 40
ALL = frozenset({"side-band-64k", "ofs-delta", "no-progress", "thin-pack", "multi_ack", "shallow"})


def pkt(data: bytes) -> bytes:
    return b"%04x%s" % (len(data) + 4, data)


def test_everything_is_asked_for_at_once_and_nothing_that_is_not_wanted():
    assert request_of([A, B], [C], ALL) == (
        pkt(f"want {A} side-band-64k ofs-delta no-progress\n".encode())
        + pkt(f"want {B}\n".encode())
        + b"0000"
        + pkt(f"have {C}\n".encode())
        + pkt(b"done\n")
    )


def test_only_what_the_server_knows_is_asked_of_it():
    assert b"ofs-delta" not in request_of([A], [], frozenset({"side-band-64k"}))


def test_the_question_is_bounded():
    assert request_of([A], [B] * 10**5, ALL).count(b"have") == MOST_HAVES


@given(st.lists(st.binary(min_size=1, max_size=300)), st.data())
def test_the_pack_is_the_same_however_the_answer_is_cut(pieces, data):
    whole = pkt(b"NAK\n") + b"".join(
        pkt(b"\x01" + piece) + pkt(b"\x02counting\r") for piece in pieces
    )
    whole += b"0000"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=9)))
    answer, found = PackAnswer(), b""
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        found += answer.feed(whole[start:end])
    assert found == b"".join(pieces)
    assert (answer.pack_bytes, answer.is_whole) == (len(found), True)
    assert not answer.has_failed


@given(st.binary(max_size=200))
def test_rubbish_is_corrupt_or_unfinished_and_never_anything_else(rubbish):
    answer = PackAnswer()
    try:
        answer.feed(rubbish)
    except CorruptError:
        return
    assert not answer.is_whole or rubbish.startswith((b"0000", b"00"))


@pytest.mark.parametrize("line", [b"\x03no more\n", b"ERR no more\n"])
def test_a_server_that_gives_up_is_heard(line):
    answer = PackAnswer()
    assert answer.feed(pkt(line)) == b""
    assert answer.has_failed
    assert answer.words == "remote: no more"


def test_words_are_shown_as_text_and_bounded():
    answer = PackAnswer()
    for _ in range(100):
        answer.feed(pkt(b"\x02\x1b[31mred\r" + b"x" * 60_000))
    assert "\x1b" not in answer.words
    assert len(answer.words) < 100_000


def test_more_words_than_pack_end_it():
    answer, line = PackAnswer(), pkt(b"\x02" + b"x" * 65_000)
    with pytest.raises(CorruptError, match="more than it sends"):
        for _ in range(1000):
            answer.feed(line)


@pytest.mark.parametrize("line", [b"NAK\n", b"\x02", b"\x01" + b"P" * 50])
def test_lines_that_bring_next_to_nothing_come_to_an_end(line):
    answer, lines = PackAnswer(), pkt(line) * 1000
    with pytest.raises(CorruptError, match="more than it sends"):
        for _ in range(10_000):
            answer.feed(lines)


@pytest.mark.parametrize(
    "answer",
    [
        b"0001",
        b"0003",
        b"zzzz",
        b"<htm",
        b"0004",
        pkt(b"shallow " + A.encode()),
        pkt(b"\x01PACK") + pkt(b"NAK\n"),
        b"0000" + pkt(b"\x01PACK"),
    ],
)
def test_what_is_no_answer_is_corrupt(answer):
    with pytest.raises(CorruptError):
        PackAnswer().feed(answer)
