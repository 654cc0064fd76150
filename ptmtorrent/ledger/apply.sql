-- Statements that take journal lines in. Each is idempotent for the same line.
-- ``{rows}`` stands for the rows of many packages or origins; see ``Roots._put``.

-- name: set_position
INSERT INTO position (one, applied, digest) VALUES (1, :applied, :digest)
ON CONFLICT (one) DO UPDATE SET applied = excluded.applied, digest = excluded.digest

-- name: begin_snapshot
INSERT INTO snapshots (id, as_of, begun_at) VALUES (:id, :as_of, :at)
ON CONFLICT (id) DO UPDATE SET as_of = excluded.as_of
RETURNING seq

-- name: finish_snapshot
UPDATE snapshots SET finished_at = :at, manifest = :manifest WHERE id = :id

-- name: open_listing
INSERT INTO listings (snapshot, hub) VALUES (:snapshot, :hub) ON CONFLICT DO NOTHING

-- A listing that waits for a page that was lost did not end well, whatever was said that day.
-- name: end_listing
UPDATE listings SET scope = :scope,
    outcome = CASE outcome WHEN 'waiting' THEN outcome ELSE :outcome END,
    reason = CASE outcome WHEN 'waiting' THEN reason ELSE :reason END,
    trouble_at = CASE WHEN :outcome IN ('cut', 'unreachable') THEN coalesce(trouble_at, :at) END
WHERE snapshot = :snapshot AND hub = :hub
RETURNING outcome

-- name: add_page
INSERT INTO pages (snapshot, hub, sha256, received_at) VALUES (:snapshot, :hub, :sha256, :at)

-- A listing that waits goes on when the page it waits for has come.
-- name: advance_listing
UPDATE listings SET
    scope = :scope,
    outcome = CASE WHEN outcome = 'waiting' AND next_cursor = :cursor THEN 'running' ELSE outcome END,
    listed = listed + :listed,
    unparsed = unparsed + :unparsed,
    drift = :drift,
    first_page_at = coalesce(first_page_at, :at),
    last_page_at = :at,
    next_cursor = CASE
        WHEN outcome = 'waiting' AND next_cursor <> :cursor THEN next_cursor ELSE :next_cursor
    END
WHERE snapshot = :snapshot AND hub = :hub

-- A page was kept and is lost: the listing waits for the first of them.
-- name: await_page
UPDATE listings SET outcome = 'waiting', reason = :reason, next_cursor = :cursor, scope = :scope,
    first_page_at = coalesce(first_page_at, :at), last_page_at = :at
WHERE snapshot = :snapshot AND hub = :hub AND outcome <> 'waiting'

-- name: find_packages
SELECT package_id, name, former_names, origin, last_seen FROM packages
WHERE hub = :hub AND package_id IN (SELECT value FROM json_each(:ids))

-- name: put_packages
INSERT INTO packages (hub, package_id, name, former_names, origin, page, raw_index, status,
    first_seen, last_seen, downloads, used_bytes, fingerprint, twin)
VALUES {rows}
ON CONFLICT (hub, package_id) DO UPDATE SET
    name = excluded.name, former_names = excluded.former_names, origin = excluded.origin,
    page = excluded.page, raw_index = excluded.raw_index, status = excluded.status,
    last_seen = excluded.last_seen, downloads = excluded.downloads,
    used_bytes = excluded.used_bytes, fingerprint = excluded.fingerprint, twin = excluded.twin

-- name: drift_so_far
SELECT drift FROM listings WHERE snapshot = :snapshot AND hub = :hub

-- A package that is missing and one that is new, with one twin and nobody else with it: a hub
-- without immutable ids renamed it.
-- name: find_renamed
SELECT old.name, old.former_names, old.origin, new.id, new.origin AS new_origin
FROM packages AS new
JOIN packages AS old ON old.hub = new.hub AND old.twin = new.twin
WHERE new.hub = :hub AND new.last_seen = :snapshot AND old.last_seen <> :snapshot
    AND old.status <> 'gone'
    AND new.first_seen > (
        SELECT coalesce(max(whole.snapshot), 0) FROM listings AS whole
        WHERE whole.hub = :hub AND whole.outcome = 'complete' AND whole.snapshot < :snapshot
    )
    AND (
        SELECT count(*) FROM packages AS other
        WHERE other.hub = new.hub AND other.twin = new.twin AND other.status <> 'gone'
    ) = 2
ORDER BY new.id

-- name: set_former_names
UPDATE packages SET former_names = :former_names WHERE id = :id

-- Packages of a hub that this snapshot's listing did not show; nothing is known of them today.
-- name: mark_unseen
UPDATE packages SET status = 'unseen'
WHERE hub = :hub AND last_seen <> :snapshot AND status <> 'gone'

-- name: set_status
UPDATE packages SET status = :status WHERE hub = :hub AND package_id = :package_id

-- name: find_origins
SELECT url, id FROM origins WHERE url IN (SELECT value FROM json_each(:urls))

-- name: add_origins
INSERT INTO origins (key, url) VALUES {rows} RETURNING url, id

-- name: set_predecessor
UPDATE origins SET predecessor = :predecessor
WHERE id = :id AND predecessor IS NULL AND visit IS NULL

-- name: move_origin
UPDATE origins SET moved_to = :target WHERE id = :id

-- name: set_visit
UPDATE origins SET
    visit = :visit, head = :head, holding = :holding, pack_bytes = :pack_bytes,
    is_complete = :is_complete, lacks = :lacks, fingerprint = :fingerprint, depth = :depth,
    is_shelf = max(is_shelf, :is_shelf), observed_at = :at, moved_to = NULL
WHERE id = :id

-- name: add_visit
INSERT INTO visits (origin, snapshot, visit, holding)
VALUES (:origin, :snapshot, :visit, :holding)
ON CONFLICT (origin, snapshot) DO UPDATE SET visit = excluded.visit, holding = excluded.holding

-- name: repack_visits
UPDATE visits SET holding = :holding
WHERE visit = :visit AND holding = :replaces

-- name: repack_origins
UPDATE origins SET holding = :holding, pack_bytes = coalesce(:pack_bytes, pack_bytes)
WHERE visit = :visit AND holding = :replaces

-- name: forget_fingerprint
UPDATE origins SET fingerprint = NULL WHERE visit = :sha256 OR holding = :sha256

-- name: count_commits
UPDATE visits SET commits = :commits WHERE origin = :origin AND visit = :visit

-- name: forget_lost
DELETE FROM lost WHERE origin = :origin

-- name: add_lost
INSERT INTO lost (origin, oid) VALUES (:origin, :oid)

-- A finished snapshot tells of the newest visit of every origin that is named, but for those
-- whose facts could not be read. Where a page is lost, nobody knows who was named: an origin that was
-- visited in that snapshot was.
-- name: mark_told
UPDATE visits SET told = (SELECT seq FROM snapshots WHERE id = :id)
WHERE told IS NULL
    AND (
        origin IN (SELECT origin FROM named)
        OR EXISTS (
            SELECT 1 FROM listings AS l
            WHERE l.snapshot = visits.snapshot AND l.outcome = 'waiting'
        )
    )
    AND visit = (SELECT o.visit FROM origins AS o WHERE o.id = visits.origin)
    AND origin NOT IN (
        SELECT o.id FROM origins AS o JOIN json_each(:untold) AS u ON u.value = o.url
    )

-- name: clear_wanted
DELETE FROM wanted WHERE origin = :origin

-- name: add_object
INSERT INTO objects (sha256, size, held) VALUES (:sha256, :size, :held)
ON CONFLICT (sha256) DO UPDATE SET held = max(held, excluded.held)

-- name: add_wanted
INSERT INTO wanted (origin, path, sha256, size) VALUES (:origin, :path, :sha256, :size)
ON CONFLICT DO NOTHING

-- name: set_asset
INSERT INTO assets (url, sha256, observed_at) VALUES (:url, :sha256, :at)
ON CONFLICT (url) DO UPDATE SET sha256 = excluded.sha256, observed_at = excluded.observed_at

-- name: hold_object
UPDATE objects SET held = 1, size = :size WHERE sha256 = :sha256

-- name: lose_object
UPDATE objects SET held = 0 WHERE sha256 = :sha256

-- An item's final word, whoever asked: also what a rebuilt ledger knows of it. What is said of an
-- earlier snapshot, as when a lost visit is written again, leaves the item to the later one.
-- name: settle
INSERT INTO items (stage, key, hub, snapshot, state, reason)
VALUES (:stage, :key, :hub, :snapshot, :state, :reason)
ON CONFLICT (stage, key) DO UPDATE SET
    bytes = CASE items.snapshot WHEN excluded.snapshot THEN items.bytes ELSE 0 END,
    attempts = CASE items.snapshot WHEN excluded.snapshot THEN items.attempts ELSE 0 END,
    snapshot = excluded.snapshot, state = excluded.state, reason = excluded.reason, not_before = 0
WHERE items.snapshot <= excluded.snapshot

-- An origin that a redirect led to, or whose visit is lost, is visited in its turn.
-- name: plan_visit
INSERT INTO items (stage, key, hub, snapshot, state) VALUES ('visit', :key, :hub, :snapshot, 'todo')
ON CONFLICT (stage, key) DO UPDATE SET
    snapshot = excluded.snapshot, state = 'todo', reason = NULL, attempts = 0, not_before = 0,
    bytes = 0
WHERE items.snapshot < excluded.snapshot
