"""The other rows: one large object, long listings, small blobs, second snapshots, fairness."""

from functools import partial
from pathlib import Path
from shutil import rmtree

from benchmarks.clients import Catalogue
from benchmarks.measure import Taken, in_turn, median_s, run
from benchmarks.packages import names_of
from benchmarks.report import Goal, Section
from benchmarks.servers import Server, http_backend, lacks_http_backend, many_records, sandbox
from benchmarks.setup import Setup
from benchmarks.world import Shape, changed

_PORT = 18_990
_PEAK = 250 * 1024**2


_LARGE = (
    "Where the time goes (2026-11, logs and strace): 0.5 s until the first request, for Python has"
    " to start; 2.2 s while the object comes; 0.3 s for tables and manifest. While it comes one"
    " thread reads the socket, one hashes (sha256 alone takes 1.2 s), and one writes past the page"
    " cache, which the disk takes at 1.5 GB/s; with the server they have both cores to share. curl"
    " writes into the page cache, so its time is that of the kernel's writing back: from 3.2 to"
    " 6.5 s were seen on this machine."
)
_LISTING = (
    "Where the time goes (2026-11, py-spy and timers): two processes share the work. The second one"
    " reads the records (2.8 s: JSON, outlines, drift); ours has the ledger (1.9 s), HTTP (0.6 s),"
    " compressing (0.6 s), its imports (0.5 s), and what comes back from the other (0.4 s). With"
    " the server that is about 8 s of processor time on two cores, most of a second of it before"
    " there is anything to share: the limit is near. In one process it took a third longer. Peak"
    " memory is that of our process; the second one has 45 MiB."
)


def large(setup: Setup) -> Section:
    """One large object against curl."""
    size = setup.size(2 * 1024**3, 64 * 1024**2)
    section = Section(
        name="large",
        title="One large object",
        text=f"One package with one LFS object of {size / 1024**2:.0f} MiB, against `curl` to the"
        " same disk and what it takes to know and to keep what came.",
    )
    world = setup.world("large", Shape(packages=1, blob_bytes=size, shared=0))
    with sandbox(world) as server:
        catalogue, clients = Catalogue.of(server.endpoint), setup.clients
        commands = {
            "ptmtorrent snapshot --depth full": clients.ours(
                server.endpoint, "snapshot", "--depth", "full"
            ),
            "curl, sha256sum, fsync": clients.curl(catalogue, "sha256sum file && sync file"),
            "curl, fsync": clients.curl(catalogue, "sync file"),
        }
        sides = {name: partial(run, one, server.pids) for name, one in commands.items()}
        runs = in_turn(sides, setup.rounds)
    ours, hashed, kept = (median_s(taken) for taken in runs.values())
    for name, taken in runs.items():
        section.add(name, taken)
    section.goals.append(Goal("wall time, of curl, sha256sum and fsync", ours / hashed, 0.6, True))
    section.goals.append(Goal("wall time, of curl and fsync", ours / kept, 1.15, True))
    section.notes.append(_LARGE)
    return section


def listing(setup: Setup) -> Section:
    """A long listing against the library, which keeps nothing of it."""
    count = setup.size(200_000, 5_000)
    section = Section(
        name="listing",
        title="A long listing",
        text=f"{count:,} packages in pages of 1,000, from a server that makes them up. Ours keeps"
        " every record durably, indexed; the library counts them and forgets.",
    )
    ours, theirs, served = _listed(setup, count)
    section.add(f"ptmtorrent list, {count:,}", ours)
    section.add(f"HfApi.list_models(full=True), {count:,}", theirs)
    section.notes.append(f"The server took {served:.1f} s of processor time for one of our runs.")
    section.notes.append(_LISTING)
    rate = median_s(theirs) / median_s(ours)
    section.goals.append(Goal("records a second, of the library's", rate, 1))
    peak = max(one.peak_bytes for one in ours)
    section.goals.append(Goal("peak memory", peak / 1024**2, _PEAK / 1024**2, True, " MiB"))
    if setup.millions:
        section.goals.append(_at_two_millions(setup, section, peak))
    return section


def _listed(setup: Setup, count: int) -> tuple[list[Taken], list[Taken], float]:
    with many_records(count) as server:
        sides = {
            "ours": partial(run, setup.clients.ours(server.endpoint, "list"), server.pids),
            "theirs": partial(run, setup.clients.hub_listing(server.endpoint), server.pids),
        }
        runs = in_turn(sides, setup.rounds)
    found = {int(one.out) for one in runs["theirs"]}
    if found != {count}:
        raise RuntimeError(f"the library saw {found} records and not {count}")
    return runs["ours"], runs["theirs"], runs["ours"][0].server_s


def _at_two_millions(setup: Setup, section: Section, peak: int) -> Goal:
    count = setup.size(2_000_000, 20_000)
    with many_records(count) as server:
        taken = run(setup.clients.ours(server.endpoint, "list"), server.pids)
    section.add(f"ptmtorrent list, {count:,}", [taken])
    return Goal("peak memory at ten times as many", taken.peak_bytes / peak, 1.1, most=True)


def restart(setup: Setup) -> Section:
    """How long it takes to know that nothing is to do."""
    count = setup.size(1_000_000, 20_000)
    section = Section(
        name="restart",
        title="Nothing to do",
        text=f"A root whose ledger holds {count:,} packages and as many finished visits, each with"
        " its journal line and its two documents in the store, made by the project's own journal,"
        " store and intake from invented repositories without commits. `fetch` finds every item of"
        " the open snapshot done. One `fetch` before, not measured here, is the run that ended.",
    )
    root = setup.folder / f"finished-{count}"
    _made(setup, root, count)
    commands = {
        "ptmtorrent fetch": setup.clients.ours("http://127.0.0.1:9", "fetch", keep=True),
        "ptmtorrent status": setup.clients.ours("http://127.0.0.1:9", "status", keep=True),
    }
    rmtree(setup.clients.root, ignore_errors=True)  # leaves a link alone
    setup.clients.root.unlink(missing_ok=True)
    setup.clients.root.symlink_to(root)
    try:
        run(commands["ptmtorrent fetch"])
        runs = in_turn({name: partial(run, one) for name, one in commands.items()}, setup.rounds)
    finally:
        setup.clients.root.unlink()
    for name, taken in runs.items():
        section.add(name, taken)
    seconds = median_s(runs["ptmtorrent fetch"])
    section.goals.append(Goal("to know that nothing is to do", seconds, 2, True, " s"))
    return section


def _made(setup: Setup, root: Path, count: int) -> None:
    """Make the finished root once; a half-made one is made anew."""
    done = root.with_suffix(".done")
    if not done.exists():
        rmtree(root, ignore_errors=True)
        run(setup.clients.python("finished_root.py", str(root), str(count)))
        done.touch()


def blobs(setup: Setup) -> Section:
    """Small blobs into the store against plain files that nobody synced."""
    count = setup.size(100_000, 2_000)
    section = Section(
        name="blobs",
        title="Small blobs",
        text=f"{count:,} blobs of 4 KiB. Ours: into the store as the pipeline puts them in, hashed,"
        " synced after every 100, all durable at the end. Against them: written without fsync, as"
        " a file each named by number, and one behind the other into a single file.",
    )
    kinds = ("store", "files", "file")
    sides = {
        kind: partial(run, setup.clients.python("small_blobs.py", kind, str(count)))
        for kind in kinds
    }
    runs = in_turn(sides, setup.rounds)
    rates = {kind: count / median_s(runs[kind]) for kind in kinds}
    words = {"store": "store, durable", "files": "a file each, no fsync", "file": "one file"}
    for kind, taken in runs.items():
        section.add(f"{words[kind]}: {rates[kind]:,.0f} a second", taken)
    share = rates["store"] / rates["files"]
    section.goals.append(Goal("rate, of plain files without fsync", share, 0.25))
    share = rates["store"] / rates["file"]
    section.notes.append(f"Of the rate of one file without fsync or hash: {share:.2f}.")
    return section


def second(setup: Setup) -> Section:
    """The second snapshot after one package in a hundred has changed."""
    shape = Shape(packages=setup.size(300, 100), blob_bytes=64 * 1024)
    section = Section(
        name="second",
        title="The second snapshot",
        text=f"{shape.packages} packages; one in a hundred gets a commit between two snapshots.",
    )
    rmtree(setup.folder / "changing", ignore_errors=True)
    world = Setup(folder=setup.folder).world("changing", shape)
    with sandbox(world) as server:
        clients = setup.clients
        words = ("snapshot", "--depth", "full")
        first = run(clients.ours(server.endpoint, *words), server.pids)
        before = _asked(server)
        changed(world, range(0, shape.packages, 100))
        again = run(clients.ours(server.endpoint, *words, "--new", keep=True), server.pids)
        after = _asked(server)
    section.add(f"first: {before} requests", [first])
    section.add(f"second: {after - before} requests", [again])
    share = 100 * (after - before) / before
    section.goals.append(Goal("requests, of the first's", share, 2, True, " %"))
    section.notes.append("Listing pages are not counted.")
    return section


def _asked(server: Server) -> int:
    return sum(path != "/api/models" for path in names_of(server.seen()))


def fairness(setup: Setup) -> Section:
    """Whether the sandbox serves git about as fast as http-backend behind nginx."""
    shape = Shape(packages=setup.size(300, 20), blob_bytes=setup.size(8 * 1024**2, 256 * 1024))
    section = Section(
        name="fairness",
        title="Is the sandbox a fair server?",
        text="Plain bare clones of the packages of the first row, one after the other: from the"
        " sandbox, and from git's http-backend under fcgiwrap behind nginx.",
    )
    if lacks_http_backend():
        section.notes.append("Not measured: nginx, fcgiwrap or spawn-fcgi is not installed.")
        return section
    world = setup.world("packages", shape)
    repositories = world.resolve() / "repositories/huggingface"
    folder = setup.folder.resolve() / "nginx"
    with sandbox(world) as box, http_backend(repositories, folder, _PORT) as nginx:
        names = Catalogue.of(box.endpoint).names[: setup.size(100, 20)]
        clients = setup.clients
        commands = {
            "sandbox": (clients.bare_clones(box.endpoint, names), box),
            "http-backend behind nginx": (
                clients.bare_clones(nginx.endpoint, [f"{name}.git" for name in names]),
                nginx,
            ),
        }
        sides = {name: partial(run, one, at.pids) for name, (one, at) in commands.items()}
        runs = in_turn(sides, setup.rounds)
    for name, taken in runs.items():
        section.add(name, taken)
    ours, theirs = (median_s(taken) for taken in runs.values())
    section.goals.append(Goal("wall time, of nginx's", ours / theirs, 1.2, most=True))
    return section
