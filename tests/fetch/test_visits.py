"""A visit brings in what is new and nothing else, and says what the origin is."""

import subprocess
from dataclasses import replace

import pytest
from origins import MIB, NAME, TOKEN, URL, Origin, Setting, bench, noise, record, write_world

from ptmtorrent.errors import FailError, SkipError, SkipReason
from ptmtorrent.hubs.huggingface import BASE
from ptmtorrent.model.oid import sha256_of
from ptmtorrent.model.work import Depth, Moved, OriginTask
from ptmtorrent.sandbox import repository
from ptmtorrent.sandbox.objects import Stamp, Tag

OTHER = "refs/heads/other"


def refs_of(found) -> dict[str, str]:
    return {ref.name: ref.target for ref in found.visit.refs}


def objects_of(here, found, tmp_path) -> set[str]:
    """Every object that the packs of a holding keep, told by git."""
    oids: set[str] = set()
    for name in found.holding.packs:
        pack = tmp_path / f"pack-{name}.pack"
        if not pack.exists():
            here.store.place(name, pack)
            subprocess.run(["git", "index-pack", str(pack)], check=True, capture_output=True)
        index = pack.with_suffix(".idx").read_bytes()
        listed = subprocess.run(["git", "show-index"], input=index, check=True, capture_output=True)
        oids |= {line.split()[1].decode() for line in listed.stdout.splitlines()}
    return oids


@pytest.fixture
def first(origin: Origin) -> Origin:
    """An origin with two commits, a branch and a tag, and 200 KB that do not pack."""
    origin.commit({"config.json": b"{}", "weights.bin": noise(200_000)})
    tip = origin.commit({"README.md": b"# Bird\n"})
    origin.commit({"notes.txt": b"aside\n"}, OTHER)
    origin.writer.tag("v1", tip)
    origin.publish()
    return origin


async def test_a_first_visit_holds_every_object_and_says_what_the_origin_is(
    first, world, root, tmp_path
):
    async with bench(world, root) as here:
        found = await here.visit()
        assert refs_of(found) == first.writer.refs
        assert (found.visit.url, found.visit.filter, found.visit.not_held) == (URL, None, ())
        assert found.visit.head == first.writer.refs[repository.MAIN]
        assert found.visit.head_ref == repository.MAIN
        tag = next(ref for ref in found.visit.refs if ref.name == "refs/tags/v1")
        assert (tag.kind, tag.commit) == ("tag", found.visit.head)
        assert len(found.holding.packs) == 1
        assert objects_of(here, found, tmp_path) == set(first.writer.objects._held)
        assert found.holding.visit == sha256_of(found.visit.to_bytes())
        assert found.holding.git == here.mirror.git.version


async def test_an_unchanged_origin_costs_one_request_and_is_the_same_visit(first, world, root):
    async with bench(world, root) as here:
        before = await here.visit()
        here.asked()
        again = await here.visit(before)
        assert [r["path"] for r in here.asked()] == [f"/{NAME}/info/refs?service=git-upload-pack"]
        assert again == before


async def test_two_clones_of_one_state_are_the_same_visit(first, world, root, tmp_path):
    (other := tmp_path / "other").mkdir()
    async with bench(world, root) as here, bench(world, other) as there:
        assert (await here.visit()).visit.to_bytes() == (await there.visit()).visit.to_bytes()


@pytest.mark.parametrize("change", ["commit", "force push"])
async def test_only_what_is_new_comes_and_in_a_pack_of_its_own(
    first, world, root, tmp_path, change
):
    async with bench(world, root) as here:
        before = await here.visit()
        if change == "force push":
            first.writer.refs[repository.MAIN] = first.git("rev-parse", "main~1")
        first.commit({"README.md": b"# Bird, anew\n"})
        first.publish()
        after = await here.visit(before)
        assert refs_of(after) == first.writer.refs
        old, new = after.holding.packs
        assert before.holding.packs == (old,)
        assert here.store.size(new) < 2000 < here.store.size(old)
        assert objects_of(here, after, tmp_path) == set(first.writer.objects._held)


async def test_refs_that_went_or_moved_do_so_here_too(first, world, root):
    async with bench(world, root) as here:
        before = await here.visit()
        del first.writer.refs[OTHER]
        first.writer.refs["refs/heads/other/deeper"] = first.writer.refs[repository.MAIN]
        first.writer.refs["refs/tags/v1"] = first.git("rev-parse", "main~1")
        first.publish()
        after = await here.visit(before)
        assert refs_of(after) == first.writer.refs
        assert after.holding.packs == before.holding.packs


async def test_another_head_among_the_same_refs_is_another_visit(first, world, root):
    async with bench(world, root) as here:
        before = await here.visit()
        (first.path / "HEAD").write_text(f"ref: {OTHER}\n")
        after = await here.visit(before)
        assert (after.visit.head_ref, after.visit.head) == (OTHER, first.writer.refs[OTHER])
        assert after.visit.refs == before.visit.refs
        assert after.holding.packs == before.holding.packs


async def test_a_detached_head_is_fetched_though_no_ref_reaches_it(first, world, root, tmp_path):
    async with bench(world, root) as here:
        before = await here.visit()
        lost = first.commit({"lost.txt": b"reached by HEAD alone\n"}, "refs/lost")
        del first.writer.refs["refs/lost"]
        first.publish()
        (first.path / "HEAD").write_text(f"{lost}\n")
        for found in (await here.visit(before), await here.visit()):
            assert (found.visit.head, found.visit.head_ref) == (lost, None)
            assert refs_of(found) == first.writer.refs
            assert lost in objects_of(here, found, tmp_path)


async def test_a_head_outside_branches_is_fetched(first, world, root, tmp_path):
    hidden = first.commit({"review.txt": b"not a branch\n"}, "refs/review/1")
    first.publish()
    (first.path / "HEAD").write_text("ref: refs/review/1\n")
    async with bench(world, root) as here:
        found = await here.visit()
        assert (found.visit.head, found.visit.head_ref) == (hidden, "refs/review/1")
        assert "refs/review/1" not in refs_of(found)
        assert hidden in objects_of(here, found, tmp_path)


async def test_a_head_on_an_unborn_branch_is_no_head(first, world, root):
    (first.path / "HEAD").write_text("ref: refs/heads/unborn\n")
    async with bench(world, root) as here:
        found = await here.visit()
        assert found.visit.head is None
        assert found.holding.wanted == ()
        assert refs_of(found) == first.writer.refs


async def test_a_tag_of_a_tag_leads_to_its_commit_and_a_tag_of_a_tree_to_none(first, world, root):
    stamp = Stamp("Ada", "ada@example.org", 1_700_000_000)
    refs, objects = first.writer.refs, first.writer.objects
    outer = Tag(target=refs["refs/tags/v1"], name="v2", tagger=stamp, message="twice\n")
    body = outer.to_bytes().replace(b"type commit", b"type tag")
    refs["refs/tags/v2"] = objects._add("tag", body)
    refs["refs/tags/v3"] = objects.tree(first.writer.files)
    first.publish()
    async with bench(world, root) as here:
        told = {ref.name: ref for ref in (await here.visit()).visit.refs}
        assert told["refs/tags/v2"].kind == "tag"
        assert told["refs/tags/v2"].commit == refs[repository.MAIN]
        assert (told["refs/tags/v3"].kind, told["refs/tags/v3"].commit) == ("tree", None)


async def test_large_files_of_the_head_and_pointers_are_wanted(origin, world, root):
    large = noise(MIB)
    origin.put_large("model.bin", b"weights")
    origin.commit({"in-git.bin": large})
    origin.publish()
    async with bench(world, root) as here:
        wanted = {blob.path: blob for blob in (await here.visit()).holding.wanted}
        assert wanted["in-git.bin"].sha256 == sha256_of(large)
        assert here.store.has(sha256_of(large))
        assert (wanted["model.bin"].sha256, wanted["model.bin"].lfs) == (
            sha256_of(b"weights"),
            True,
        )
        assert not here.store.has(sha256_of(b"weights"))


async def test_a_name_that_is_not_utf_8_comes_through(first, world, root):
    raw = f"{first.writer.refs[repository.MAIN]} refs/tags/".encode() + b"caf\xe9\n"
    with (first.path / "packed-refs").open("ab") as stream:
        stream.write(raw)
    async with bench(world, root) as here:
        assert "refs/tags/caf\udce9" in refs_of(await here.visit())


async def test_an_empty_repository_is_a_skip(origin, world, root):
    async with bench(world, root) as here:
        with pytest.raises(SkipError) as caught:
            await here.visit()
        assert caught.value.reason is SkipReason.EMPTY
        assert len(here.asked()) == 1


async def test_a_renamed_origin_has_moved_and_nothing_is_fetched(first, world, root):
    write_world(world, record(former_names=("old/name",)))
    async with bench(world, root) as here:
        before = await here.visit()
        here.asked()
        moved = await here.mirror.visit(OriginTask(f"{BASE}/old/name", Depth.HISTORY))
        assert moved == Moved(URL)
        assert all("info/refs" in r["path"] for r in here.asked())
        assert replace(before.visit, url="x").swhid == before.visit.swhid


@pytest.mark.parametrize(
    ("state", "token", "reason"),
    [
        ({"gated": "auto"}, None, SkipReason.GATED),
        ({"gated": "manual"}, TOKEN, SkipReason.GATED),
        ({"private": True}, None, SkipReason.GONE),
        ({"missing": True}, None, SkipReason.GONE),
        ({"missing": True}, TOKEN, SkipReason.GONE),
        ({"disabled": True}, None, SkipReason.DISABLED),
    ],
)
async def test_what_nobody_may_see_is_a_skip_with_its_reason(
    first, world, root, state, token, reason
):
    write_world(world, record(**state))
    async with bench(world, root, Setting(token=token)) as here:
        with pytest.raises(SkipError) as caught:
            await here.visit()
        assert caught.value.reason is reason
        assert here.leftovers() == []


async def test_a_token_opens_what_it_may_and_git_sends_it_too(first, world, root):
    write_world(world, record(gated="auto"))
    async with bench(world, root, Setting(token=TOKEN)) as here:
        await here.visit()
        assert {r["auth"] for r in here.asked()} == {True}


async def test_a_wrong_token_is_a_failure_and_not_an_answer(first, world, root):
    write_world(world, record(private=True))
    async with bench(world, root, Setting(token="hf_wrong")) as here:
        with pytest.raises(FailError):
            await here.visit()
