"""Response headers about limits: every dialect, and everything that is none."""

import json
from email.utils import formatdate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptmtorrent.policy.ratelimit import (
    Advice,
    is_refusal,
    parse_advice,
    parse_imf_date,
    parse_retry_after,
)

NOW = 1_800_000_000.0
DATE = "Fri, 15 Jan 2027 08:00:00 GMT"
POLICY = '"fixed window";"api";q=500;w=300'
ANY = st.characters() | st.characters(categories=["Cs"])
"""Halves of surrogate pairs too: header bytes that are no UTF-8 become such."""

UNDERSTOOD = [
    (
        {"ratelimit": '"api";r=492;t=133', "ratelimit-policy": POLICY},
        Advice("api", 500, 492, 133, 300),
    ),
    (
        {"RateLimit": '"api"; r=10; t=100', "RateLimit-Policy": POLICY},
        Advice("api", 500, 10, 100, 300),
    ),
    ({"ratelimit": '"api";r=489;t=189'}, Advice("api", None, 489, 189)),
    ({"ratelimit": '"api";r=0;t=55', "ratelimit-policy": "rubbish"}, Advice("api", None, 0, 55)),
    ({"ratelimit": '"api";r=5;t=999999'}, Advice("api", None, 5, 3600)),
    (
        {"ratelimit": '"api";r=5;t=9', "ratelimit-policy": '"api";q=500;w=999999999'},
        Advice("api", 500, 5, 9, 3600),
    ),
    (
        {"ratelimit": '"pages";r=5;t=1', "ratelimit-policy": POLICY},
        Advice("pages", None, 5, 1),
    ),
    (
        {
            "x-ratelimit-limit": "5000",
            "x-ratelimit-remaining": "4999",
            "x-ratelimit-reset": str(int(NOW) + 60),
            "x-ratelimit-resource": "core",
        },
        Advice("core", 5000, 4999, 60, least_wait_s=60),
    ),
    (
        {
            "x-ratelimit-remaining": "0",
            "x-ratelimit-reset": str(int(NOW) + 3700),
            "date": "Fri, 15 Jan 2027 09:00:00 GMT",
        },
        Advice(None, None, 0, 100, least_wait_s=60),
    ),
    (
        {"x-ratelimit-remaining": "1", "x-ratelimit-reset": "5"},
        Advice(None, None, 1, 5, least_wait_s=60),
    ),
    ({"retry-after": "0"}, Advice(retry_after_s=0)),
    ({"retry-after": " 120 "}, Advice(retry_after_s=120)),
    ({"retry-after": "999999999"}, Advice(retry_after_s=3600)),
    ({"retry-after": "Fri, 15 Jan 2027 08:00:30 GMT", "date": DATE}, Advice(retry_after_s=30)),
    ({"retry-after": "Fri, 15 Jan 1999 08:00:30 GMT"}, Advice(retry_after_s=0)),
    ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, Advice(retry_after_s=3600)),
    ({"ratelimit": "malformed", "retry-after": "7"}, Advice(retry_after_s=7)),
]

NOT_RETRY_AFTER = [
    "", " ", "-5", "+5", "5.0", "5,0", "1e3", "0x10", "٣", "²", "10000000000", "9" * 400,
    "5 s", "5;6", "5, 6", "inf", "nan", "None", "null", "\x005", "5\n5", "_1", "1_0",
    "Fri, 15 Jan 2027 08:00:30", "15 Jan 2027 08:00:30 GMT", "Fri, 5 Jan 2027 08:00:30 GMT",
    "Fri, 15 Foo 2027 08:00:30 GMT", "Fri, 15 Jan 27 08:00:30 GMT", "Fri, 15 Jan 2027 24:00:30 GMT",
    "Fri, 15 Jan 2027 08:60:30 GMT", "Fri, 15 Jan 2027 08:00:61 GMT",
    "Fri, 00 Jan 2027 08:00:30 GMT",
    "Fri, 15 Jan 2027 08:00:30 CET", "Friday, 15-Jan-27 08:00:30 GMT", "Fri Jan 15 08:00:30 2027",
    "Fri, 15 Jan 0000 08:00:30 GMT", "ven., 15 janv. 2027 08:00:30 GMT",
]  # fmt: skip

NOT_RATELIMIT = [
    "", "malformed", '"api"', '"api";r=1', '"api";t=1', '"api";r=;t=', '"api";r=-1;t=5',
    '"api";r=1;t=-5', '"api";r=+1;t=5', '"api";r=1.5;t=5', "api;r=1;t=5", '"";r=1;t=5',
    '"a b";r=1;t=5', '"api\n";r=1;t=5', '"api";r=٣;t=5', '"api";r=1;t=٣',
    '"api";r=99999999999999999999;t=5', '"api";r=1;t=99999999999999999999', '"api";r=0x1;t=5',
    '"api":r=1:t=5', "r=1;t=5", '"' + "a" * 65 + '";r=1;t=5', '"api";q=1;w=5', '";;;"',
]  # fmt: skip

NOT_GITHUB = [
    ("", ""), ("", "1800000060"), ("-1", "1800000060"), ("x", "y"), ("1.0", "1800000060"),
    ("٣", "1800000060"), ("9" * 30, "1800000060"), ("1 ", " 1800000060"),
]  # fmt: skip

NOT_A_RESET = ["", "-1", "1800000060.5", "9" * 30, "٣", "soon", " 1800000060", "1_800_000_060"]


@pytest.mark.parametrize(("headers", "expected"), UNDERSTOOD)
def test_known_dialects_are_understood(headers: dict[str, str], expected: Advice) -> None:
    assert parse_advice(headers, NOW) == expected


@pytest.mark.parametrize("value", NOT_RETRY_AFTER)
def test_a_malformed_retry_after_counts_as_not_sent(value: str) -> None:
    assert parse_retry_after(value, NOW) is None
    assert parse_advice({"retry-after": value}, NOW) is None


@pytest.mark.parametrize("value", NOT_RATELIMIT)
def test_a_malformed_ratelimit_counts_as_not_sent(value: str) -> None:
    assert parse_advice({"ratelimit": value, "ratelimit-policy": POLICY}, NOW) is None


@pytest.mark.parametrize(("remaining", "reset"), NOT_GITHUB)
def test_malformed_github_headers_count_as_not_sent(remaining: str, reset: str) -> None:
    headers = {"x-ratelimit-remaining": remaining, "x-ratelimit-reset": reset}
    assert parse_advice(headers, NOW) is None


@pytest.mark.parametrize("reset", NOT_A_RESET)
def test_what_remains_is_believed_without_a_reset_that_makes_sense(reset: str) -> None:
    advice = parse_advice({"x-ratelimit-remaining": "0", "x-ratelimit-reset": reset}, NOW)
    assert advice is not None
    assert (advice.remaining, advice.reset_s, advice.wait_s) == (0, None, 60)


@pytest.mark.parametrize("skew_s", [-3600, -1800, 1800, 3600])
def test_a_server_whose_date_is_wrong_by_an_hour_is_understood_by_our_clock(skew_s: int) -> None:
    headers = {
        "x-ratelimit-remaining": "7",
        "x-ratelimit-reset": str(int(NOW) + 900),
        "retry-after": "Fri, 15 Jan 2027 08:15:00 GMT",
        "date": formatdate(NOW + skew_s, usegmt=True),
    }
    advice = parse_advice(headers, NOW)
    assert advice is not None
    if abs(skew_s) == 3600:
        assert (advice.reset_s, advice.retry_after_s) == (900, 900)
    else:
        assert advice.reset_s == advice.retry_after_s
        assert 0 <= (advice.reset_s or 0) <= 3600


@pytest.mark.parametrize("off_s", [-86400.0 * 3, 86400.0 * 3, 10 * 366 * 86400.0])
def test_our_own_clock_may_be_wrong_by_years_where_the_server_sends_its_date(off_s: float) -> None:
    headers = {"x-ratelimit-remaining": "7", "x-ratelimit-reset": str(int(NOW) + 900), "date": DATE}
    advice = parse_advice(headers, NOW + off_s)
    assert advice is not None
    assert advice.reset_s == 900


def test_a_malformed_date_falls_back_to_our_clock() -> None:
    headers = {"x-ratelimit-remaining": "1", "x-ratelimit-reset": str(int(NOW) + 9), "date": "x"}
    advice = parse_advice(headers, NOW)
    assert advice is not None
    assert advice.reset_s == 9


def test_an_imf_date_is_read_without_a_locale() -> None:
    assert parse_imf_date(DATE) == NOW
    assert parse_imf_date("Sun, 06 Nov 1994 08:49:37 GMT") == 784111777


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(
    st.sampled_from(["RateLimit", "ratelimit-policy", "Retry-After", "x-ratelimit-remaining",
                     "x-ratelimit-reset", "x-ratelimit-limit", "Date"]),
    st.text(ANY, max_size=60) | st.from_regex(r'"\w+";[rq]=\d+;[tw]=\d+', fullmatch=True),
))  # fmt: skip
def test_no_headers_make_it_raise_and_waits_stay_within_an_hour(headers: dict[str, str]) -> None:
    advice = parse_advice(headers, NOW)
    if advice is not None:
        for wait in (advice.reset_s, advice.retry_after_s, advice.wait_s):
            assert wait is None or 0 <= wait <= 3600


@settings(max_examples=100, deadline=None)
@given(st.text(ANY, max_size=20), st.sampled_from(["error", "message"]))
def test_a_refusal_in_words_is_read_beside_any_character(text: str, name: str) -> None:
    """JSON may hold half of a surrogate pair, which no encoding takes."""
    body = json.dumps({name: f"{text} rate limit {text}"}).encode()
    assert is_refusal(200, None, body)


def test_a_wait_is_the_longer_of_retry_after_and_the_reset_of_an_empty_window() -> None:
    assert Advice(remaining=0, reset_s=55).wait_s == 56
    assert Advice(remaining=0, reset_s=5, retry_after_s=30).wait_s == 30
    assert Advice(remaining=99794, reset_s=241).wait_s is None
    assert Advice(remaining=0, reset_s=3600).wait_s == 3600
    assert Advice(remaining=7, reset_s=50, least_wait_s=60).wait_s == 60
    assert Advice(remaining=7, reset_s=50, retry_after_s=5, least_wait_s=60).wait_s == 5


@pytest.mark.parametrize(
    ("status", "advice", "body", "expected"),
    [
        (429, None, b"", True),
        (503, None, b"", False),
        (503, Advice(retry_after_s=1), b"", True),
        (403, None, b"Access to this resource is disabled.", False),
        (403, Advice(remaining=0, reset_s=9), b"", True),
        (403, None, b'{"message":"You have exceeded a secondary rate limit."}', True),
        (200, None, b'{"error":"We had to rate limit your IP (203.0.113.7)."}', True),
        (200, Advice(remaining=0, reset_s=9), b"[]", False),
        (200, None, b"# a card about rate limits", False),
        (404, None, b"rate limit", False),
        (403, None, b'{"message":"You have triggered an abuse detection mechanism."}', True),
        (200, None, b'{"data":null,"errors":[{"type":"RATE_LIMITED","message":"exceeded"}]}', True),
        (200, None, b' {"data":{"r0":{"x":1}},"errors":[{"type":"RATE_LIMITED"}]}', True),
        (200, None, b'{"errors":[{"type":"NOT_FOUND","message":"rate limit?"}]}', False),
        (200, None, b'{"data":{"r0":{"name":"RATE_LIMITED"}}}', False),
        (200, None, b'{"message":"You have exceeded a secondary rate limit."}', True),
        (200, None, b'{"sha":"1","message":"Respect the rate limit"}', False),
        (200, None, b'{"error":"rate limit","models":[]}', False),
        (200, None, b'{"objects":[{"oid":"1","error":{"code":429,"message":"slow"}}]}', True),
        (200, None, b'{"objects":[{"oid":"1","error":{"code":404,"message":"429"}}]}', False),
        (200, None, b'{"objects":[1,null,{"error":1}],"errors":{"code":429}}', False),
        (200, None, b'{"error":"rate limit"', False),
        (200, None, b'{"errors":' + b"[" * 100_000 + b'"rate limit"', False),
        (200, None, b'{"error":["rate limit"],"message":7}', False),
        (507, None, b"Insufficient storage", False),
        (509, Advice(remaining=3, reset_s=9), b"Bandwidth limit exceeded", False),
    ],
)
def test_refusals_are_told_from_errors(
    status: int, advice: Advice | None, body: bytes, expected: bool
) -> None:
    assert is_refusal(status, advice, body) is expected
