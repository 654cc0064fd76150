"""The command doctor: machine, hubs, tokens and clock before a run. It changes nothing."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from ptmtorrent.app.context import Context
from ptmtorrent.app.hosts import Inquiry, Place, look_at_network
from ptmtorrent.app.machine import look_at_git, look_at_machine
from ptmtorrent.app.session import access_of
from ptmtorrent.app.signals import PRECEDENCE, run_stoppably
from ptmtorrent.console.health import Finding, State, show_health
from ptmtorrent.console.summary import EXIT_DONE
from ptmtorrent.hubs import GIT_HOSTS, HUBS
from ptmtorrent.settings import Settings


def doctor(context: Context) -> int:
    """Whether this machine is ready and the hubs answer; changes nothing."""
    findings = run_stoppably(examine(context.root, context.settings, context.agent))
    show_health(context.console, findings)
    return exit_code(findings)


async def examine(root: Path, settings: Settings, agent: str) -> list[Finding]:
    """All findings, the same ones in the same order each time.

    Raises:
        UsageError: a setting or token is malformed.
    """
    inquiry = inquiry_of(settings, agent)
    git, machine, network = await asyncio.gather(
        look_at_git(), asyncio.to_thread(look_at_machine, root), look_at_network(inquiry)
    )
    return [git, *machine, *network]


def exit_code(findings: Sequence[Finding]) -> int:
    """CONTRACT's code: of what is bad, what comes first there."""
    codes = {finding.exit_code for finding in findings if finding.state is State.BAD}
    return next((code for code in PRECEDENCE if code in codes), EXIT_DONE)


def inquiry_of(settings: Settings, agent: str) -> Inquiry:
    """What the settings make worth asking: hubs that are switched on, and all hosts but theirs."""
    chosen = settings.selected()
    places = [
        Place(kind.id, kind.base, optional=bool(settings.hubs[kind.id].get("optional")))
        for kind in HUBS
        if kind.id in chosen
    ]
    unwanted = [kind.git_host for kind in HUBS if kind.id not in chosen]
    hosts = [host for host in GIT_HOSTS if host.whoami and host not in unwanted]
    return Inquiry(access=access_of(settings), places=places, hosts=hosts, agent=agent)
