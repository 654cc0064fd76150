"""Hugging Face, as the sandbox serves it, passes the suite of all hubs."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hub_contract import HubContract, HubWorld

from ptmtorrent.hubs.huggingface import BASE, HUGGINGFACE
from ptmtorrent.net.access import Access
from ptmtorrent.net.courier import Manners
from ptmtorrent.net.gate import Gates
from ptmtorrent.net.http import Transport
from ptmtorrent.policy.backoff import RetryPolicy
from ptmtorrent.sandbox.generate import generate
from ptmtorrent.sandbox.serve import Sandbox
from ptmtorrent.sandbox.world import World


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("hub")
    generate(place, packages=20)
    return place


class TestHuggingFace(HubContract):
    @pytest.fixture
    async def world(self, directory: Path) -> AsyncIterator[HubWorld]:
        models = [r for r in World.load(directory).repositories if r.forge == "huggingface"]
        listed = {r.id: r.name for r in models if not (r.private or r.missing)}
        renamed = next(r for r in models if r.former_names and r.id in listed)
        async with Sandbox(directory) as box:
            endpoint = {BASE: box.endpoints["huggingface"]}
            access = Access.of(["huggingface.co"], endpoint, allow_private=True)
            manners = Manners(retry=RetryPolicy(attempts=1))
            async with Transport(access, Gates(), manners=manners) as transport:
                yield HubWorld(
                    kind=HUGGINGFACE,
                    hub=HUGGINGFACE.build(transport, HUGGINGFACE.settings),
                    box=box,
                    listed=listed,
                    former=(renamed.former_names[0], renamed.id),
                    missing="nobody/nothing",
                    route="list",
                )
