"""The protections that a test must notice when they are gone, for ``mutants.py``.

A mutant is named by what it takes out. Texts are matched exactly.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """One protection taken out.

    Attributes:
        name: the protection.
        file: where it is, from the top of the tree.
        old: its text.
        new: the text without it.
        tests: files, or ``file::test``, of which one must fail.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


STORE = ("tests/store/test_store_contract.py",)
CRASH = ("tests/store/test_store_crash.py",)
JOURNAL = ("tests/store/test_journal.py",)
FAILED_SYNC = ("tests/durable/test_failed_sync.py",)
WRITERS = ("tests/store/test_store_writers.py",)
ADDRESSES = ("tests/net/test_addresses.py",)
TRANSPORT = ("tests/net/test_transport.py",)
GITPROC = ("tests/net/test_gitproc.py",)
BATCH = ("tests/fetch/test_batch.py",)
OBJECTS = ("tests/fetch/test_objects.py",)
REFUSALS = ("tests/fetch/test_refusals.py",)
FETCHING = ("tests/pipeline/test_fetching.py",)
SCHEDULER = ("tests/pipeline/test_scheduler.py",)
LISTING = ("tests/pipeline/test_listing.py",)
LOST = ("tests/pipeline/test_lost_documents.py",)
PARTLY = ("tests/fetch/test_partly.py",)
LEDGER = ("tests/ledger/test_ledger.py",)
TWO_WRITERS = ("tests/main_job/test_two_writers.py",)
FULL_DISK = (
    "tests/main_job/test_full_disk.py::test_below_the_low_water_mark_nothing_is_asked_for",
)

HOSTILE = "tests/hostile/test_hostile_repositories.py::test_it_ends_as_it_must"

MUTANTS = (
    # bytes
    Mutant(
        "hash on commit",
        "ptmtorrent/store/incoming.py",
        "    if found_sha256 != sha256:\n",
        "    if not found_sha256:\n",
        STORE,
    ),
    Mutant(
        "size of a stream",
        "ptmtorrent/store/incoming.py",
        "        if self._offset + len(chunk) > self._size:\n",
        "        if self._offset + len(chunk) < 0:\n",
        STORE,
    ),
    Mutant(
        "hash on adoption",
        "ptmtorrent/store/local.py",
        "            if sha256_of(data) != sha256:\n",
        "            if not data:\n",
        CRASH,
    ),
    Mutant(
        "bytes synced before named",
        "ptmtorrent/store/files.py",
        "disk.sync_new(partial, mode=_MODE)",
        "partial.chmod(_MODE)",
        CRASH,
    ),
    Mutant(
        "folders synced after naming",
        "ptmtorrent/store/files.py",
        "            self._sync_folders(batch.keys() | known)\n",
        "",
        CRASH,
    ),
    Mutant(
        "a name is never overwritten",
        "ptmtorrent/disk.py",
        "        os.link(source, target, follow_symlinks=False)\n",
        "        source.replace(target)\n",
        ("tests/store",),
    ),
    Mutant(
        "failed syncs stay failed",
        "ptmtorrent/disk.py",
        "            self._blown = True\n",
        "            self._blown = False\n",
        (*CRASH, *JOURNAL),
    ),
    Mutant(
        "a blob that was not synced goes",
        "ptmtorrent/disk.py",
        "        except OSError:\n            path.unlink(missing_ok=True)\n",
        "        except OSError:\n",
        FAILED_SYNC,
    ),
    Mutant(
        "a tail that was not synced goes",
        "ptmtorrent/disk.py",
        "            os.ftruncate(fd, good)\n",
        "            pass\n",
        FAILED_SYNC,
    ),
    Mutant(
        "temporary files are locked",
        "ptmtorrent/disk.py",
        "                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        "                pass\n",
        FAILED_SYNC,
    ),
    Mutant(
        "live writers are left alone",
        "ptmtorrent/store/writers.py",
        "        return start_now != writer.start\n",
        "        return True\n",
        (*WRITERS, *CRASH),
    ),
    # order and journal
    Mutant(
        "store before journal",
        "ptmtorrent/pipeline/recorder.py",
        "        self._store.flush()\n",
        "",
        FETCHING,
    ),
    Mutant(
        "journal before ledger",
        "ptmtorrent/pipeline/recorder.py",
        "                self._journal.sync()\n",
        "                pass\n",
        FETCHING,
    ),
    Mutant(
        "journal is synced",
        "ptmtorrent/store/journal.py",
        "        disk.sync_tail(self._fd, self._end)\n",
        "",
        (*JOURNAL, *CRASH),
    ),
    Mutant(
        "chain of the journal",
        "ptmtorrent/store/journal.py",
        "            if (entry.n, entry.prev) != (before.n + 1, before.digest):\n",
        "            if entry.n < 0:\n",
        JOURNAL,
    ),
    Mutant(
        "page and cursor together",
        "ptmtorrent/ledger/apply.sql",
        "THEN next_cursor ELSE :next_cursor\n",
        "THEN next_cursor ELSE next_cursor\n",
        (*LEDGER, *LISTING),
    ),
    Mutant(
        "lost page not hidden by what was said later",
        "ptmtorrent/ledger/apply.sql",
        "CASE outcome WHEN 'waiting' THEN outcome ELSE :outcome END",
        ":outcome",
        LOST,
    ),
    Mutant(
        "lost visit looks changed",
        "ptmtorrent/ledger/roots.py",
        "fingerprint=line.fingerprint if whole else None",
        "fingerprint=line.fingerprint",
        ("tests/main_job/test_lost.py",),
    ),
    Mutant(
        "what a killed writer left is written again",
        "ptmtorrent/disk.py",
        "write_all(fd, os.pread(fd, min(CHUNK, end - offset), offset), offset)",
        "os.pread(fd, 1, offset)",
        FAILED_SYNC,
    ),
    Mutant(
        "what only old packs have is kept",
        "ptmtorrent/fetch/quarantine.py",
        "        if not lacking:\n",
        "        if lacking or not lacking:\n",
        PARTLY,
    ),
    Mutant(
        "leases of the killed are freed",
        "ptmtorrent/pipeline/scheduler.py",
        "        await self.recorder.change(lambda ledger: ledger.work.release())\n",
        "",
        (*SCHEDULER, "tests/main_job/test_kills.py"),
    ),
    Mutant(
        "fence between two writers",
        "ptmtorrent/ledger/ledger.py",
        "        if self._changed_by_others() != self._others:\n",
        "        if self._others < 0:\n",
        TWO_WRITERS,
    ),
    Mutant(
        "lock of a root",
        "ptmtorrent/store/root.py",
        "        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        "        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)\n",
        (*TWO_WRITERS, "tests/store/test_root.py"),
    ),
    Mutant(
        "low water",
        "ptmtorrent/app/session.py",
        "        check_space(root.path, LOW_WATER_BYTES, LOW_WATER_INODES)\n",
        "",
        FULL_DISK,
    ),
    # network
    Mutant(
        "credentials stay at home",
        "ptmtorrent/net/request.py",
        "if is_home or name in _FOR_ANYONE",
        "if is_home or name",
        (*TRANSPORT, *OBJECTS),
    ),
    Mutant(
        "a token for its host",
        "ptmtorrent/net/tokens.py",
        "        token = self._tokens.get(base)\n",
        "        token = next(iter(self._tokens.values()), None)\n",
        (*ADDRESSES, *TRANSPORT),
    ),
    Mutant(
        "private addresses of names",
        "ptmtorrent/net/resolver.py",
        '            self._rules.check_address(host, port, result["host"])\n',
        "            pass\n",
        ADDRESSES,
    ),
    Mutant(
        "private addresses as written",
        "ptmtorrent/net/addresses.py",
        "        if target.address is not None and not is_public(target.address):\n",
        "        if target.address is not None and not target.address:\n",
        ADDRESSES,
    ),
    Mutant(
        "plain http",
        "ptmtorrent/net/addresses.py",
        '        if target.scheme != "https" or target.port != _PORTS["https"]:\n',
        "        if target.port == 0:\n",
        ADDRESSES,
    ),
    Mutant(
        "only known hosts",
        "ptmtorrent/net/addresses.py",
        "        if not self._is_allowed(target):\n",
        "        if not target.host:\n",
        ADDRESSES,
    ),
    Mutant(
        "no way down to http",
        "ptmtorrent/net/courier.py",
        '        if here.scheme == "https" and target.scheme != "https":\n',
        "        if not here.scheme:\n",
        ADDRESSES,
    ),
    Mutant(
        "every address is checked",
        "ptmtorrent/net/addresses.py",
        "        target = parse_target(url)\n        if self.allow_private",
        "        target = parse_target(url)\n        return target\n        if self.allow_private",
        ADDRESSES,
    ),
    Mutant(
        "headers of LFS actions",
        "ptmtorrent/fetch/batch.py",
        "    return bool(fits) and name.lower() not in FORBIDDEN_HEADERS\n",
        "    return bool(fits)\n",
        BATCH,
    ),
    Mutant(
        "content range",
        "ptmtorrent/net/checks.py",
        "    if status == 206 and start and _is_rest(headers, start, size):\n",
        "    if status == 206 and start:\n",
        TRANSPORT,
    ),
    Mutant(
        "web page in place of data",
        "ptmtorrent/net/checks.py",
        "    if status < 300 and not wants_page and looks_like_html(headers, body):\n",
        "    if status < 0:\n",
        TRANSPORT,
    ),
    Mutant(
        "minimum rate",
        "ptmtorrent/net/body.py",
        "        if self._arrived < self._limits.min_rate * self._limits.rate_window_s:\n",
        "        if self._arrived < 0:\n",
        TRANSPORT,
    ),
    # git
    Mutant(
        "nothing is fetched lazily",
        "ptmtorrent/net/gitproc.py",
        '        "GIT_NO_LAZY_FETCH": "1",\n',
        "",
        GITPROC,
    ),
    Mutant(
        "protocols of git",
        "ptmtorrent/net/gitproc.py",
        '        return "none"\n',
        '        return "file:http:https"\n',
        GITPROC,
    ),
    Mutant(
        "git follows no redirect",
        "ptmtorrent/net/gitproc.py",
        '    "http.followRedirects": "false",\n',
        "",
        GITPROC,
    ),
    Mutant(
        "git dies with us",
        "ptmtorrent/net/gitproc.py",
        'setpriv --pdeathsig KILL true 2>/dev/null && exec setpriv --pdeathsig KILL "$@"\n',
        "",
        ("tests/main_job/test_kills.py::test_no_git_outlives_a_killed_run",),
    ),
    Mutant(
        "what was announced is here",
        "ptmtorrent/fetch/mirror.py",
        "        if found.kinds.keys() != targets:\n",
        "        if found is None:\n",
        (f"{HOSTILE}[a tip that is not there]",),
    ),
    Mutant(
        "refs are those announced, of git",
        "ptmtorrent/fetch/partial.py",
        "    if await quarantine.refs() != wish.refs or ",
        "    if ",
        (f"{HOSTILE}[other refs for git than for us]",),
    ),
    Mutant(
        "links of a pack are checked",
        "ptmtorrent/fetch/quarantine.py",
        'arguments = ["index-pack", f"--strict={_LENIENT}", ',
        'arguments = ["index-pack", ',
        (f"{HOSTILE}[a pack without the blobs]",),
    ),
    Mutant(
        "largest pack over our transport",
        "ptmtorrent/fetch/packs.py",
        "                    if answer.pack_bytes > self.max_pack:\n",
        "                    if answer.pack_bytes > 2**60:\n",
        ("tests/fetch/test_partly.py",),
    ),
    Mutant(
        "largest pack",
        "ptmtorrent/fetch/git.py",
        ", file_bytes=self.max_pack)",
        ")",
        ("tests/fetch/test_partly.py",),
    ),
    Mutant(
        "limits of a tree",
        "ptmtorrent/extract/tree.py",
        "        if value > limit:\n",
        "        if value < 0:\n",
        ("tests/extract/test_extract_files.py::test_a_path_beyond_measure_ends_in_over_limit",),
    ),
    # meaning
    Mutant(
        "digits in a name of weights",
        "ptmtorrent/fetch/assets.py",
        '        if not sha256.startswith(task.sha256_prefix or ""):\n',
        "        if not sha256:\n",
        ("tests/main_job/test_five_hubs.py",),
    ),
    Mutant(
        "untold facts stay untold",
        "ptmtorrent/ledger/apply.sql",
        "    AND origin NOT IN (\n        SELECT o.id FROM origins AS o JOIN json_each(:untold)",
        "    OR origin IN (\n        SELECT o.id FROM origins AS o JOIN json_each(:untold)",
        LEDGER,
    ),
    Mutant(
        "unseen is not gone",
        "ptmtorrent/app/run.py",
        '[listing.hub for listing in listings if listing.outcome == "complete"]',
        "[listing.hub for listing in listings]",
        ("tests/main_job/test_second_snapshot.py", "tests/main_job/test_five_hubs.py"),
    ),
    Mutant(
        "what is not shown is unseen",
        "ptmtorrent/ledger/roots.py",
        '        self._run("mark_unseen", **place)\n',
        "",
        LEDGER,
    ),
    Mutant(
        "one statement, and SELECT",
        "ptmtorrent/query/statement.py",
        '    if kind != "SELECT":\n',
        "    if not kind:\n",
        ("tests/query/test_dataset.py",),
    ),
    Mutant(
        "bytes that get hands out",
        "ptmtorrent/store/local.py",
        "    if found != sha256:\n",
        "    if not found:\n",
        ("tests/main_job/test_damage.py", "tests/store"),
    ),
    Mutant(
        "a POST goes to nobody else",
        "ptmtorrent/net/courier.py",
        "        if not request.may_move:\n",
        "        if request is None:\n",
        TRANSPORT,
    ),
    Mutant(
        "one cap over all parts",
        "ptmtorrent/net/body.py",
        "        total = start\n",
        "        total = 0\n",
        ("tests/net/test_download.py",),
    ),
    Mutant(
        "the key that the root was made with",
        "ptmtorrent/store/root.py",
        "        if self._key_sha256() not in (None, sha256_of(key)):\n",
        "        if not key:\n",
        ("tests/store/test_root.py",),
    ),
    Mutant(
        "figures end with what they counted",
        "ptmtorrent/ledger/ledger.py",
        "            if self._connection.total_changes != before:\n",
        "            if before < 0:\n",
        ("tests/ledger/test_figures.py",),
    ),
    Mutant(
        "a long history waits on disk",
        "ptmtorrent/shards/spool.py",
        "                if self._weight >= self.in_memory:\n",
        "                if self._weight < 0:\n",
        ("tests/shards/test_spool.py",),
    ),
    Mutant(
        "a process that is lost is missed by nobody",
        "ptmtorrent/pipeline/pages.py",
        "        except (EOFError, OSError) as error:\n",
        "        except KeyError as error:\n",
        ("tests/pipeline/test_pages.py",),
    ),
)
