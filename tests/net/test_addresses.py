"""Who may be connected to. What is refused never sees a connection."""

import datetime
import ipaddress
import socket
import ssl
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from loopback import HUB, VirtualTime, net, serve

from ptmtorrent.errors import ForbiddenAddressError, NetworkError, UsageError
from ptmtorrent.net.access import Access
from ptmtorrent.net.addresses import Rules, is_public
from ptmtorrent.net.courier import Manners
from ptmtorrent.net.endpoints import Endpoints
from ptmtorrent.net.gate import Gates
from ptmtorrent.net.http import Transport
from ptmtorrent.net.resolver import CheckedResolver
from ptmtorrent.net.tokens import Tokens
from ptmtorrent.policy.backoff import RetryPolicy

HOSTS = ["hub.example", ".other.example"]

FORBIDDEN = [
    "http://127.0.0.1{port}/", "https://127.0.0.1{port}/", "http://localhost{port}/",
    "http://localhost.{port}/", "http://[::1]{port}/", "http://[::ffff:127.0.0.1]{port}/",
    "http://[::ffff:7f00:1]{port}/", "http://[::]{port}/", "http://[64:ff9b::7f00:1]{port}/",
    "http://[2002:7f00:1::]{port}/", "http://[::1%25lo]{port}/", "http://2130706433{port}/",
    "http://0x7f000001{port}/", "http://0x7f.1{port}/", "http://0177.0.0.1{port}/",
    "http://127.1{port}/", "http://127.0.1{port}/", "http://0{port}/", "http://0.0.0.0{port}/",
    "http://127.0.0.1.{port}/", "http://169.254.169.254/latest/meta-data/",
    "http://100.100.100.200/", "http://168.63.129.16/", "http://10.0.0.1/", "http://192.168.0.1/",
    "http://172.16.0.1/", "http://100.64.0.1/", "https://[fe80::1]/", "https://[fc00::1]/",
    "https://8.8.8.8/", "file:///etc/passwd", "FILE:///etc/passwd", "ftp://hub.example/",
    "gopher://127.0.0.1{port}/", "data:text/plain,x", "ext::sh -c true", "//127.0.0.1{port}/",
    "http:127.0.0.1{port}", "http:///127.0.0.1{port}/", "https:\\\\127.0.0.1{port}\\",
    "https://hub.example@127.0.0.1{port}/", "https://hub.example:pw@127.0.0.1{port}/",
    "https://hub.example\\@127.0.0.1{port}/", "https://hub.example:443@127.0.0.1{port}/",
    "https://127.0.0.1{port}#@hub.example/", "https://127.0.0.1{port}?@hub.example/",
    "https://hub.example.{port}/", "https://hub.example:8443/", "http://hub.example/",
    "http://hub.example:443/",
    "https://hub.example:0/", "https://hub.example:99999/", "https://hub.example:/",
    "https://hub.example:٤٤٣/", "https://hub。example/", "https://\uff48ub.example/",
    "https://hub.example%2f@127.0.0.1/", "https://hub.example\t/", "https://hub.example/\r\nX: y",
    "https://hub.example/\x00", "https:// hub.example/", "https://hub.example/a b",
    "https://evil.example/", "https://hub.example.evil.example/", "https://xhub.example/",
    "https://other.example/", "https://evilother.example/", "https://-a.other.example/",
    "https://a..other.example/", "https://.other.example/", "https:///x", "https://", "", "x",
]  # fmt: skip


def test_the_table_is_long_enough() -> None:
    assert len(FORBIDDEN) >= 40


@pytest.mark.parametrize("template", FORBIDDEN)
async def test_forbidden_urls_make_no_connection(template: str) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=b"canary")

    async with serve(handler) as canary, net({}, allow_private=False) as n:
        url = template.replace("{port}", ":" + canary.base.rpartition(":")[2])
        with pytest.raises(ForbiddenAddressError):
            await n.transport.get(url)
        with pytest.raises(ForbiddenAddressError):
            async with n.transport.stream(url):
                pass
    assert canary.seen == []
    assert n.transport.counts.requests == 0


@pytest.mark.parametrize("template", [t for t in FORBIDDEN if "{port}" in t and "[::1]" not in t])
def test_allow_private_relaxes_loopback_and_endpoints_only(template: str) -> None:
    rules = Rules.of(HOSTS, ["http://10.0.0.5:8080"], allow_private=True)
    url = template.replace("{port}", ":4000")
    plain = url.startswith("http") and "\\" not in url and "//" in url
    if plain and url[url.index("//") + 2 :].startswith(("127.0.0.1:4000", "localhost:4000")):
        assert rules.check(url).port == 4000
    else:
        with pytest.raises(ForbiddenAddressError):
            rules.check(url)


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "1.2.3.4.5", "0x"])
def test_numbers_are_never_names(host: str) -> None:
    with pytest.raises(ForbiddenAddressError):
        Rules.of([host]).check(f"https://{host}/")


def test_an_endpoint_may_be_private_only_when_that_is_allowed() -> None:
    assert Rules.of([], ["http://10.0.0.5:8080"], allow_private=True).check("http://10.0.0.5:8080/")
    for url in ("http://10.0.0.5:8081/", "https://10.0.0.5:8080/", "http://10.0.0.6:8080/"):
        with pytest.raises(ForbiddenAddressError):
            Rules.of([], ["http://10.0.0.5:8080"], allow_private=True).check(url)
    with pytest.raises(ForbiddenAddressError):
        Rules.of([], ["http://10.0.0.5:8080"]).check("http://10.0.0.5:8080/")
    with pytest.raises(ForbiddenAddressError):
        Rules.of([], ["https://10.0.0.5"]).check("https://10.0.0.5/")


@pytest.mark.parametrize(
    "url",
    ["https://hub.example/", "https://hub.example", "HTTPS://HUB.example/x?y=/../@z",
     "https://hub.example:443/x", "https://cdn-1.eu.other.example/blob?Signature=a~b",
     "https://hub.example/a%20b/%E2%82%AC?x=[1]"],
)  # fmt: skip
def test_ordinary_urls_are_allowed(url: str) -> None:
    assert Rules.of(HOSTS).check(url).scheme == "https"


@pytest.mark.parametrize(
    ("address", "expected"),
    [("8.8.8.8", True), ("2a00:1450:4001::200e", True), ("127.0.0.1", False), ("::1", False),
     ("169.254.169.254", False), ("100.64.0.1", False), ("168.63.129.16", False),
     ("0.0.0.0", False),
     ("224.0.0.1", False), ("255.255.255.255", False), ("::ffff:8.8.8.8", False),
     ("fe80::1", False),
     ("fd00:ec2::254", False), ("2002:808:808::", False), ("64:ff9b::808:808", False),
     ("2001:0:1::1", False), ("2001:db8::1", False), ("ff02::1", False), ("192.0.2.1", False)],
)  # fmt: skip
def test_public_addresses_are_told_from_the_rest(address: str, expected: bool) -> None:
    assert is_public(ipaddress.ip_address(address)) is expected


class Names(AbstractResolver):
    """A resolver that answers from a list, one answer a question (a rebinding name)."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        ips = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            ResolveResult(hostname=host, host=ip, port=port, family=family, proto=0, flags=0)
            for ip in ips
        ]

    async def close(self) -> None: ...


@pytest.mark.parametrize("ips", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::1"]])
async def test_a_name_that_leads_to_a_private_address_is_not_connected_to(ips: list[str]) -> None:
    access, time = Access.of(HOSTS), VirtualTime()
    resolver = CheckedResolver(access.rules, Names(ips))
    manners = Manners(retry=RetryPolicy(attempts=1))
    async with Transport(access, Gates(time.clock()), manners, resolver=resolver) as transport:
        with pytest.raises(ForbiddenAddressError):
            await transport.get("https://hub.example/x")


async def test_a_name_that_changes_its_mind_is_checked_every_time() -> None:
    rules = Rules.of(HOSTS)
    resolver = CheckedResolver(rules, Names(["8.8.8.8"], ["127.0.0.1"]))
    assert (await resolver.resolve("hub.example", 443))[0]["host"] == "8.8.8.8"
    with pytest.raises(ForbiddenAddressError):
        await resolver.resolve("hub.example", 443)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=36500))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "pair.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(private + cert.public_bytes(serialization.Encoding.PEM))
    return path


async def test_tls_is_checked_and_a_redirect_from_https_to_http_is_refused(
    certificate: Path,
) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "http://127.0.0.1:9/plain"})

    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(certificate)
    runner = web.ServerRunner(web.Server(handler))  # type: ignore[arg-type]
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_side).start()
    access = Access.of([], {HUB: f"https://127.0.0.1:{runner.addresses[0][1]}"}, allow_private=True)
    trust = ssl.create_default_context(cafile=certificate)
    expected = [
        (None, NetworkError, "Certificate"),
        (trust, ForbiddenAddressError, "https to http"),
    ]
    for tls, error, words in expected:
        manners = Manners(retry=RetryPolicy(attempts=1), tls=tls)
        async with Transport(access, Gates(VirtualTime().clock()), manners) as transport:
            with pytest.raises(error, match=words):
                await transport.get(f"{HUB}/x")
    await runner.cleanup()


# --- endpoints and tokens -----------------------------------------------------------------------


def test_an_endpoint_replaces_scheme_host_and_port_only() -> None:
    endpoints = Endpoints({HUB: "http://127.0.0.1:4000/"})
    url = f"{HUB}/a%20b//c?next={HUB}/x#f"
    assert endpoints.to_actual(url) == f"http://127.0.0.1:4000/a%20b//c?next={HUB}/x#f"
    assert endpoints.to_canonical(endpoints.to_actual(url)) == url
    assert endpoints.to_actual("https://elsewhere.example/x") == "https://elsewhere.example/x"
    assert endpoints.to_actual(f"{HUB}?q=/") == "http://127.0.0.1:4000?q=/"


def test_one_server_may_stand_in_for_two_hosts() -> None:
    other = "https://other.example"
    endpoints = Endpoints({HUB: "http://127.0.0.1:1", other: "http://127.0.0.1:1"})
    assert endpoints.to_canonical("http://127.0.0.1:1/x", near=f"{other}/y") == f"{other}/x"
    assert endpoints.to_canonical("http://127.0.0.1:1/x") == f"{HUB}/x"


@pytest.mark.parametrize("base", ["", "x", "ftp://h", "http://h/path", "http://h?q", "//h"])
def test_an_endpoint_is_nothing_more_than_a_base(base: str) -> None:
    with pytest.raises(UsageError):
        Endpoints({HUB: base})


def test_a_token_is_for_its_own_scheme_host_and_port() -> None:
    tokens = Tokens({HUB: "canary", "https://github.com": "gh"})
    assert tokens.header_for(f"{HUB}/x") == "Bearer canary"
    assert tokens.header_for("https://HUB.example/x") == "Bearer canary"
    assert tokens.header_for("https://github.com/o/r") == "Basic eC1hY2Nlc3MtdG9rZW46Z2g="
    for url in (
        "http://hub.example/x", "https://hub.example:8443/", "https://hub.example.evil/",
        "https://x.hub.example/", "https://hub.example@evil.example/",
    ):  # fmt: skip
        assert tokens.header_for(url) is None
    assert tokens.identity(f"{HUB}/x") == "token"
    assert tokens.identity("https://other.example/") == "anonymous"


def test_a_token_is_shown_nowhere() -> None:
    tokens = Tokens({HUB: "canary"})
    assert "canary" not in f"{tokens!r} {tokens} {Access(tokens=tokens)!r}"
    assert tokens.scrub("Bearer canary!") == "Bearer ***!"
    with pytest.raises(UsageError) as caught:
        Tokens({HUB: "canary\r\nX: y"})
    assert "canary" not in str(caught.value)
