"""Name resolution that hands out checked addresses only, to aiohttp and to git alike."""

import socket

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from ptmtorrent.net.addresses import Rules


class CheckedResolver(AbstractResolver):
    """Resolves a host and refuses it when any of its addresses may not be connected to.

    aiohttp connects to the addresses returned here and to no others, so a name that changes its
    mind between check and connection (DNS rebinding) gains nothing.
    """

    def __init__(self, rules: Rules, inner: AbstractResolver | None = None) -> None:
        self._rules = rules
        self._inner = inner or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a host; ForbiddenAddressError, or OSError when there are none."""
        results = await self._inner.resolve(host, port, family)
        for result in results:
            self._rules.check_address(host, port, result["host"])
        return results

    async def close(self) -> None:
        """Let go of the resolver underneath."""
        await self._inner.close()
