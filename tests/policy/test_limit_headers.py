"""Headers as no server should send them: every one gives a bounded, sane wait."""

import pytest

from ptmtorrent.policy.pacing import Budget
from ptmtorrent.policy.ratelimit import parse_advice

NOW = 1_800_000_000.0
DATE = "Fri, 15 Jan 2027 08:00:00 GMT"
POLICY = '"fixed window";"api";q=500;w=300'
BIG = "9" * 400


def hub(ratelimit: str, policy: str = POLICY, **more: str) -> dict[str, str]:
    """Hugging Face's headers."""
    return {"RateLimit": ratelimit, "RateLimit-Policy": policy} | more


def github(remaining: str, reset: str, limit: str = "60", **more: str) -> dict[str, str]:
    """GitHub's headers."""
    words = {"x-ratelimit-remaining": remaining, "x-ratelimit-reset": reset}
    return words | {"x-ratelimit-limit": limit} | more


def after(value: str, **more: str) -> dict[str, str]:
    """Retry-After."""
    return {"Retry-After": value} | more


TABLE: list[tuple[dict[str, str], float]] = [
    # headers of a refusal, and the seconds it closes the bucket for
    (hub('"api";r=0;t=55'), 56), (hub('"api";r=0;t=0'), 1), (hub('"api";r=0;t=3600'), 3600),
    (hub('"api";r=0;t=999999999'), 3600), (hub(f'"api";r=0;t={BIG}'), 1),
    (hub('"api";r=7;t=55'), 1), (hub(f'"api";r={BIG};t=55'), 1), (hub('"api";r=-1;t=55'), 1),
    (hub('"api";r=0;t=-55'), 1), (hub('"api";r=0.0;t=55'), 1), (hub('"api";r=0;t=5.5'), 6),
    (hub("api;r=0;t=55"), 1), (hub('"api"'), 1), (hub(""), 1), (hub("\x00"), 1),
    (hub(";" * 9999), 1),
    (hub('"api";r=0;t=55, "pages";r=9;t=1'), 56), (hub('"api";r=0;t=55', ""), 56),
    (hub('"api";r=0;t=55', '"api";q=0;w=0'), 56), (hub('"api";r=0;t=55', '"api";q=1;w=0'), 56),
    (hub('"api";r=0;t=55', f'"api";q={BIG};w=300'), 56),
    (hub('"api";r=0;t=55', '"api";q=999999999;w=1'), 56),
    (hub('"api";r=0;t=55', '"api";q=1;w=999999999'), 56),
    (hub('"api";r=0;t=55', f'"api";q=500;w={BIG}'), 56),
    (hub('"api";r=0;t=55', '"api";q=-500;w=-300'), 56),
    (hub('"a b";r=0;t=55'), 1), (hub('"' + "a" * 65 + '";r=0;t=55'), 1), (hub('"";r=0;t=55'), 1),
    (hub('"api";r=0;t=55', **{"Retry-After": "300"}), 300),
    (hub('"api";r=0;t=55', **{"Retry-After": "-300"}), 56),
    (hub('"api";r=9;t=55', **{"Retry-After": "9"}), 9),
    (github("0", "1800000100"), 101), (github("0", "1800000000"), 1), (github("0", "1"), 2),
    (github("0", "100"), 101), (github("0", "1799990000"), 1), (github("0", "1900000000"), 3600),
    (github("0", "99999999999"), 3600), (github("0", BIG), 60), (github("0", "-5"), 60),
    (github("0", ""), 60), (github("0", "1800000100.5"), 60), (github("0", "nan"), 60),
    (github("5", "1800000100"), 60), (github("5", "rubbish"), 60), (github(BIG, "1800000100"), 1),
    (github("-0", "1800000100"), 1), (github("", "1800000100"), 1), (github("٣", "٣"), 1),
    (github("0", "1800000100", "0"), 101), (github("0", "1800000100", BIG), 101),
    (github("0", "1800000100", "-60"), 101), (github("0", "1800000100", "999999999"), 101),
    (github("0", "1800000100", Date=DATE), 101), (github("0", "1800000100", Date="rubbish"), 101),
    (github("0", "1800000100", Date="Fri, 15 Jan 2027 09:00:00 GMT"), 101),
    (github("0", "1800000100", Date="Fri, 15 Jan 2027 07:00:00 GMT"), 101),
    (github("0", "1800000100", Date="Fri, 15 Jan 1970 07:00:00 GMT"), 101),
    (github("0", "1800000100", Date="Fri, 15 Jan 9999 07:00:00 GMT"), 101),
    (github("0", "1800000100", Date="Fri, 15 Jan 2027 25:61:99 GMT"), 101),
    (github("0", "1800000100", **{"x-ratelimit-resource": "a\nb"}), 101),
    (github("0", "1800000100", **{"Retry-After": "Fri, 15 Jan 2027 08:10:00 GMT"}), 600),
    (after("0"), 1), (after("1"), 1), (after("120"), 120), (after("3601"), 3600),
    (after("999999999"), 3600), (after("9999999999"), 1), (after(BIG), 1), (after("-1"), 1),
    (after("+7"), 1), (after("7.5"), 1), (after("7s"), 1), (after("1e9"), 1), (after("inf"), 1),
    (after("nan"), 1), (after("0x10"), 1), (after("٣"), 1), (after(""), 1), (after("7, 7"), 1),
    (after("null"), 1), (after("\t7 "), 7), (after("7\n"), 1),
    (after("Fri, 15 Jan 2027 08:00:30 GMT"), 30), (after("Fri, 15 Jan 2027 07:00:30 GMT"), 1),
    (after("Fri, 31 Dec 9999 23:59:59 GMT"), 3600), (after("Fri, 00 Jan 2027 08:00:30 GMT"), 1),
    (after("Fri, 15 Jan 0000 08:00:30 GMT"), 1), (after("Friday, 15-Jan-27 08:00:30 GMT"), 1),
    (after("Fri, 15 Jan 2027 08:00:30 CET"), 1), (after("2027-01-15T08:00:30Z"), 1),
    (after("Fri, 15 Jan 2027 08:00:30 GMT", Date="Fri, 15 Jan 2027 09:00:00 GMT"), 30),
    (after("Fri, 15 Jan 2027 08:00:30 GMT", Date="Fri, 15 Jan 2027 07:00:00 GMT"), 30),
    (after("Fri, 15 Jan 2027 08:00:30 GMT", Date="Mon, 99 Foo 2027 99:99:99 GMT"), 30),
    ({"Date": "x" * 10_000}, 1), ({}, 1),
]  # fmt: skip


def test_the_table_is_long_enough() -> None:
    assert len(TABLE) >= 60


@pytest.mark.parametrize(("headers", "closed_s"), TABLE)
def test_a_refusal_with_these_headers_closes_the_bucket_for_a_sane_time(
    headers: dict[str, str], closed_s: float
) -> None:
    advice, budget = parse_advice(headers, NOW), Budget()
    budget.sent(0.0)
    if advice is not None:
        budget.advised(0.0, advice)
    budget.refused(0.0, advice.wait_s if advice else None)
    assert budget.wait(0.0) == closed_s


@pytest.mark.parametrize("headers", [headers for headers, _ in TABLE])
def test_a_success_with_these_headers_never_leads_to_a_wait_above_an_hour(
    headers: dict[str, str],
) -> None:
    advice, budget, now = parse_advice(headers, NOW), Budget(), 0.0
    for _ in range(200):
        wait = budget.wait(now, cost=3)
        assert 0 <= wait <= 3600
        now += wait
        if wait == 0:
            budget.sent(now, cost=3)
            if advice is not None:
                budget.advised(now, advice)
            budget.succeeded(now, cost=3)
