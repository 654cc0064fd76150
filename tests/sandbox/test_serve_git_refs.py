"""What the sandbox keeps of a repository's refs follows the repository."""

import pytest

from ptmtorrent.sandbox import gitread, repository
from ptmtorrent.sandbox.serve import Sandbox


@pytest.mark.parametrize("protocol", ["version=2", "version=1", ""])
async def test_an_advertisement_is_never_older_than_the_refs(own_world, hub, http, protocol):
    path = hub["open"].path(own_world)
    async with Sandbox(own_world) as box:
        url = f"{box.endpoints['huggingface']}/{hub['open'].name}/info/refs"
        headers = {"Git-Protocol": protocol}

        async def told():
            query = {"service": "git-upload-pack"}
            async with http.get(url, params=query, headers=headers) as answer:
                assert answer.status == 200
                return await answer.read()

        first = await told()
        assert await told() == first
        oid = repository.refs_of(path)[repository.MAIN]
        repository.git(path, "update-ref", "refs/heads/added", oid)
        names = b"refs/heads/added" in await told()
    assert names == (protocol != "version=2")
    assert first.startswith(b"001e# service=git-upload-pack\n0000") == (protocol != "version=2")


async def test_refs_that_are_read_again_are_those_of_now(own_world, hub):
    path = hub["open"].path(own_world)
    before = await gitread.refs(path)
    oid = repository.refs_of(path)[repository.MAIN]
    repository.git(path, "update-ref", "refs/heads/added", oid)
    added = {ref.name for ref in await gitread.refs(path)} - {ref.name for ref in before}
    repository.git(path, "pack-refs", "--all")
    repository.git(path, "update-ref", "-d", "refs/heads/added")
    assert added == {"refs/heads/added"}
    assert await gitread.refs(path) == before
