"""GitHub's rules: what a link leads into, what an answer means, and what must not be shown."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptmtorrent.errors import CorruptError, FailError, FailReason, SkipError, SkipReason
from ptmtorrent.hubs.github import (
    BASE,
    RESERVED,
    GitHubForge,
    github_origin,
    origin_of_name,
)

ORIGIN = f"{BASE}/a/b"
CANONICAL = re.compile(r"https://github\.com/[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}")


@pytest.fixture
def forge() -> GitHubForge:
    return GitHubForge(False, frozenset({f"{BASE}/gone/lfs"}))


@pytest.mark.parametrize(
    "link",
    [
        "https://github.com/a/b",
        "http://github.com/a/b",
        "HTTPS://GitHub.COM/a/b",
        "https://www.github.com/a/b",
        "https://github.com/a/b/",
        "https://github.com/a/b.git",
        "https://github.com/a/b.git/",
        "https://github.com/a/b/tree/main/x/y",
        "https://github.com/a/b/blob/main/hubconf.py#L3",
        "https://github.com/a/b?tab=readme",
        "https://github.com/a/b#usage",
        "https://github.com:443/a/b",
        "http://github.com:80/a/b",
        "  https://github.com/a/b\n",
        "https://github.com/a/b.",
        "https://github.com/a/b),",
        "https://github.com/a/b>",
        'https://github.com/a/b"',
        "https://github.com/a/b/tree/main).",
        "git@github.com:a/b.git",
        "ssh://git@github.com/a/b.git",
        "ssh://git@github.com:22/a/b",
        "git://github.com/a/b.git",
        "git+https://github.com/a/b",
        "git+ssh://git@github.com/a/b.git",
        "https://raw.githubusercontent.com/a/b/main/models.json",
    ],
)
def test_a_link_into_a_repository_leads_to_its_origin(link):
    assert github_origin(link) == ORIGIN


@pytest.mark.parametrize(
    "link",
    [
        "",
        "a/b",
        "github.com/a/b",
        "//github.com/a/b",
        "https://github.com",
        "https://github.com/a",
        "https://github.com/a/",
        "https://github.com//a//b",
        "https://github.com:8443/a/b",
        "https://github.com:99999999/a/b",
        "https://github.com:x/a/b",
        "https://user:secret@github.com/a/b",
        "https://secret@github.com/a/b",
        "https://git:secret@github.com/a/b",
        "https://github.com@evil.example/a/b",
        "https://github.com\\@evil.example/a/b",
        "https://evil.example/github.com/a/b",
        "https://github.com.evil.example/a/b",
        "https://notgithub.com/a/b",
        "https://github.com./a/b",
        "https://g\u0456thub.com/a/b",
        "https://gist.github.com/a/b",
        "https://api.github.com/repos/a/b",
        "https://codeload.github.com/a/b/zip/main",
        "https://github.io/a/b",
        "file:///github.com/a/b",
        "ftp://github.com/a/b",
        "javascript://github.com/a/b",
        "git@gitlab.com:a/b.git",
        "https://[::1/a/b",
        "https://github.com/../a/b",
        "https://github.com/a/..",
        "https://github.com/a/.",
        "https://github.com/a/b/../c",
        "https://github.com/a/b/%2e%2E/c",
        "https://github.com/a/%2e%2e/c",
        "https://github.com/a%2Fb/c",
        "https://github.com/a/b%20c",
        "https://github.com/a/b\u202e",
        "https://github.com/\u00e4/b",
        "https://github.com/-a/b",
        "https://github.com/a_b/c",
        "https://github.com/a/.git",
        f"https://github.com/{'a' * 40}/b",
        f"https://github.com/a/{'b' * 101}",
    ],
)
def test_what_leads_into_no_repository_has_no_origin(link):
    assert github_origin(link) is None


@pytest.mark.parametrize("page", sorted(RESERVED))
def test_a_page_of_github_itself_is_no_repository(page):
    assert github_origin(f"https://github.com/{page}/b") is None
    assert origin_of_name(f"{page.upper()}/b") is None


def test_names_keep_their_case_and_their_dots():
    assert (
        github_origin("https://GITHUB.com/Otter-Lab/Nest.js/tree/x") == f"{BASE}/Otter-Lab/Nest.js"
    )
    assert origin_of_name("a/.github") == f"{BASE}/a/.github"
    assert origin_of_name("a/b.git") == ORIGIN
    assert origin_of_name(" a/b ") == ORIGIN


@pytest.mark.parametrize("name", ["", "a", "a/", "/b", "a/b/c", "a/.", "a/..", "a b/c", "a/b\n\nc"])
def test_what_no_repository_can_be_called_has_no_origin(name):
    assert origin_of_name(name) is None


link_texts = st.text(max_size=40) | st.from_regex(
    r"(https?|ssh|git)://(git@|x:y@)?(www\.|raw\.)?github(usercontent)?\.com(:[0-9]{1,6})?/.{0,30}"
)


@settings(max_examples=100, deadline=None)
@given(link_texts)
def test_any_link_is_survived_and_an_origin_is_always_canonical(link):
    origin = github_origin(link)
    assert origin is None or CANONICAL.fullmatch(origin)
    assert origin is None or github_origin(f"{origin}/tree/main") == origin


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=30) | st.from_regex(r"[\w.-]{1,5}/[\w.-]{1,8}"))
def test_an_origin_made_of_a_name_is_found_again_behind_its_git_url(name):
    origin = origin_of_name(name)
    if origin is not None:
        forge = GitHubForge(False, frozenset())
        assert CANONICAL.fullmatch(origin)
        asked = f"{forge.git_url(origin)}/info/refs?service=git-upload-pack"
        assert forge.origin_of(asked) == origin


def test_a_redirect_of_a_renamed_repository_gives_its_new_origin(forge):
    asked = "https://github.com/new-owner/New.name/info/refs?service=git-upload-pack"
    assert forge.origin_of(asked) == f"{BASE}/new-owner/New.name"
    assert forge.origin_of("https://github.com/a/b.git/info/refs") == ORIGIN
    assert forge.origin_of("https://www.github.com/a/b") == ORIGIN
    assert forge.origin_of("https://github.com/a/b./info/refs") == f"{BASE}/a/b."


@pytest.mark.parametrize(
    "target",
    [
        "http://github.com/a/b/info/refs",
        "https://evil.example/a/b/info/refs",
        "https://github.com:8443/a/b/info/refs",
        "https://raw.githubusercontent.com/a/b/info/refs",
        "https://github.com/login?return_to=/a/b",
        "https://github.com/sponsors/b/info/refs",
        "https://github.com/a/b/c/info/refs",
        "https://github.com/a/../b/info/refs",
        "https://x-access-token:ghp_SECRET@github.com/a/b/info/refs?token=ghp_SECRET",
    ],
)
def test_a_redirect_to_no_repository_is_corrupt_and_shows_no_secret(forge, target):
    with pytest.raises(CorruptError) as caught:
        forge.origin_of(target)
    assert "SECRET" not in f"{caught.value} {caught.value.url}"


def test_lfs_is_where_git_lfs_derives_it_but_for_origins_that_lost_it(forge):
    assert forge.lfs_url(ORIGIN) == f"{ORIGIN}.git/info/lfs"
    assert forge.lfs_url(f"{BASE}/gone/lfs") is None
    assert forge.file_url(ORIGIN, "main", "x") is None


ANSWERS = [
    (401, b"", False, SkipReason.GONE),
    (404, b"Not Found", False, SkipReason.GONE),
    (404, b"Repository not found.", True, SkipReason.GONE),
    (410, b"", True, SkipReason.GONE),
    (451, b"Repository unavailable due to DMCA takedown.", True, SkipReason.LEGAL),
    (451, b"", False, SkipReason.LEGAL),
    (403, b"", False, SkipReason.DISABLED),
    (403, b'{"message":"Repository access blocked","block":{"reason":"tos"}}', True, "disabled"),
    (403, b"Access to this repository has been disabled by staff.", True, SkipReason.DISABLED),
]


@pytest.mark.parametrize(("status", "body", "token", "reason"), ANSWERS)
def test_the_worlds_answers_are_told_apart(status, body, token, reason):
    error = GitHubForge(token, frozenset()).explain("u", status, {}, body)
    assert isinstance(error, SkipError)
    assert (error.reason, error.status, error.url) == (reason, status, "u")


@pytest.mark.parametrize(
    ("status", "body"), [(401, b"Bad credentials"), (403, b"Must have admin rights")]
)
def test_a_refused_token_never_means_that_a_repository_is_gone(status, body):
    error = GitHubForge(True, frozenset()).explain("u", status, {}, body)
    assert isinstance(error, FailError)
    assert error.reason is FailReason.REFUSED
    assert "GITHUB_TOKEN" in str(error)


@pytest.mark.parametrize("status", [400, 405, 409, 422])
def test_other_answers_are_not_the_worlds_word(forge, status):
    assert isinstance(forge.explain("u", status, {}, b"x"), CorruptError)


@settings(max_examples=100, deadline=None)
@given(st.integers(400, 599), st.binary(max_size=50), st.booleans())
def test_any_answer_is_explained_in_few_words_without_its_headers(status, body, token):
    headers = {"authorization": "Basic SECRET"}
    error = GitHubForge(token, frozenset()).explain("u", status, headers, body * 100)
    assert len(str(error)) < 300
    assert "SECRET" not in str(error) or b"SECRET" in body * 2
