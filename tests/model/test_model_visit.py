"""Visits and holdings: canonical, and read back as they were."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptmtorrent.model.oid import sha256_of
from ptmtorrent.model.visit import Holding, NotHeld, Ref, Visit, Wanted, canonical_json

QUICK = settings(max_examples=100, deadline=None)
OIDS = st.binary(min_size=20, max_size=20).map(bytes.hex)
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
NAMES = st.binary(min_size=1, max_size=20).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
KINDS = st.sampled_from(["commit", "tag", "tree", "blob"])
REFS = st.builds(Ref, NAMES.map("refs/heads/".__add__), OIDS, KINDS, st.none() | OIDS)
VISITS = st.builds(
    Visit,
    url=st.text(),
    refs=st.lists(REFS, max_size=4).map(tuple),
    head_ref=st.none() | NAMES,
    head=st.none() | OIDS,
    filter=st.none() | st.just("blob:none"),
    not_held=st.lists(st.builds(NotHeld, OIDS, st.text()), max_size=3).map(tuple),
)
WANTED = st.builds(Wanted, NAMES, DIGESTS, st.integers(0, 2**63 - 1), st.booleans())
HOLDINGS = st.builds(
    Holding,
    DIGESTS,
    st.lists(DIGESTS, max_size=3).map(tuple),
    st.lists(WANTED, max_size=3).map(tuple),
    st.integers(0, 2**63 - 1),
    st.text(),
)


@QUICK
@given(VISITS)
def test_a_visit_is_read_back_and_written_the_same(visit: Visit) -> None:
    data = visit.to_bytes()
    assert Visit.from_bytes(data) == visit
    assert Visit.from_bytes(data).to_bytes() == data
    assert canonical_json(json.loads(data)) == data


@QUICK
@given(HOLDINGS)
def test_a_holding_is_read_back_and_written_the_same(holding: Holding) -> None:
    data = holding.to_bytes()
    assert Holding.from_bytes(data) == holding
    assert Holding.from_bytes(data).to_bytes() == data


@QUICK
@given(VISITS, HOLDINGS)
def test_one_is_not_read_as_the_other(visit: Visit, holding: Holding) -> None:
    with pytest.raises(ValueError, match="not a holding"):
        Holding.from_bytes(visit.to_bytes())
    with pytest.raises(ValueError, match="not a visit"):
        Visit.from_bytes(holding.to_bytes())


def test_a_visit_is_complete_without_filter_and_without_gaps() -> None:
    whole = Visit("u", (), None, None)
    assert whole.is_complete
    assert not Visit("u", (), None, None, filter="blob:none").is_complete
    assert not Visit("u", (), None, None, not_held=(NotHeld("0" * 40, "gone"),)).is_complete


def test_the_name_of_a_visit_does_not_change_between_releases() -> None:
    """This digest is in journals: a change of it is a change of format."""
    ref = Ref("refs/heads/main", "1" * 40, "commit", "1" * 40)
    visit = Visit("https://example.org/a/b", (ref,), "refs/heads/main", "1" * 40)
    assert (
        sha256_of(visit.to_bytes())
        == "5049931d7cddbef4a485cea47f04a2a1821aa3f0ed240a006c128e6a3812ee7f"
    )


def test_what_json_cannot_say_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json(float("nan"))
