-- Planning and leasing. Plans are set operations; running one again changes nothing.

-- Packages that a complete listing did not show are asked for, once.
-- name: plan_asks
INSERT INTO items (stage, key, hub, snapshot, state)
SELECT 'ask', hub || ':' || package_id, hub, :snapshot, 'todo'
FROM packages
WHERE hub = :hub AND status = 'unseen' AND last_seen <> :snapshot
ON CONFLICT (stage, key) DO UPDATE SET
    snapshot = excluded.snapshot, state = 'todo', reason = NULL, attempts = 0, not_before = 0,
    bytes = 0
WHERE items.snapshot <> excluded.snapshot

-- What a plan depends on, beside what was asked for: a row if it was made already.
-- name: is_planned
SELECT 1 FROM plans WHERE snapshot = :snapshot AND hub = :hub AND about = :about

-- An item does not say how deep it is wanted: whoever leases it visits as deep as he was told to.
-- name: forget_other_depths
DELETE FROM plans WHERE snapshot = :snapshot AND json_extract(about, '$[0]') <> :depth

-- name: set_planned
INSERT INTO plans (snapshot, hub, about) VALUES (:snapshot, :hub, :about)

-- name: last_page
SELECT max(seq) FROM pages WHERE snapshot = :snapshot AND hub = :hub

-- Origins of the packages this snapshot listed: the most downloaded first, at most `top` of a hub
-- that counts downloads; of one that does not, all.
-- An origin whose hub says nothing changed since it was visited (deep enough) is done at once;
-- one that is wanted deeper than it was visited in this snapshot is to be done again.
-- name: plan_visits
INSERT INTO items (stage, key, hub, snapshot, state, reason)
SELECT
    'visit', o.url, :hub, :snapshot,
    CASE WHEN
        o.visit IS NOT NULL AND chosen.fingerprint IS NOT NULL
        AND o.fingerprint = chosen.fingerprint AND (o.is_complete OR o.depth >= :depth)
    THEN 'done' ELSE 'todo' END,
    CASE WHEN o.visit IS NOT NULL AND NOT o.is_complete AND o.depth < :depth THEN 'deeper' END
FROM (
    SELECT origin, min(fingerprint) AS fingerprint, min(rank) AS rank
    FROM (
        SELECT p.origin, p.fingerprint,
            row_number() OVER (ORDER BY p.downloads DESC NULLS LAST, p.page, p.raw_index) AS rank
        FROM packages AS p
        WHERE p.hub = :hub AND p.last_seen = :snapshot AND p.origin IS NOT NULL
            AND (:globs = '[]'
                OR EXISTS (SELECT 1 FROM json_each(:globs) WHERE name_matches(p.name, value)))
    )
    WHERE rank <= :top OR NOT EXISTS (
        SELECT 1 FROM packages AS p
        WHERE p.hub = :hub AND p.last_seen = :snapshot AND p.downloads IS NOT NULL
    )
    GROUP BY origin
) AS chosen
JOIN origins AS o ON o.id = chosen.origin
WHERE TRUE
ORDER BY chosen.rank
ON CONFLICT (stage, key) DO UPDATE SET
    snapshot = excluded.snapshot, state = excluded.state, reason = NULL, attempts = 0,
    not_before = 0, bytes = CASE items.snapshot WHEN excluded.snapshot THEN items.bytes ELSE 0 END
WHERE items.snapshot <> excluded.snapshot
    OR (items.state = 'done' AND excluded.reason = 'deeper')

-- LFS objects of the heads of this snapshot's origins that are not held yet; those that only
-- `late` origins name are left for later.
-- name: plan_objects
INSERT INTO items (stage, key, hub, snapshot, state)
SELECT 'object', objects.sha256, min(v.hub), :snapshot, 'todo'
FROM objects
CROSS JOIN wanted ON wanted.sha256 = objects.sha256
CROSS JOIN origins AS o ON o.id = wanted.origin
CROSS JOIN items AS v ON v.stage = 'visit' AND v.key = o.url
WHERE objects.held = 0 AND v.snapshot = :snapshot AND v.state = 'done'
    AND o.url NOT IN (SELECT value FROM json_each(:late))
GROUP BY objects.sha256
ORDER BY min(v.id), objects.sha256
ON CONFLICT (stage, key) DO UPDATE SET
    snapshot = excluded.snapshot, state = 'todo', reason = NULL, attempts = 0, not_before = 0,
    bytes = 0
WHERE items.snapshot <> excluded.snapshot

-- The same for one origin, right after its visit.
-- name: plan_objects_of
INSERT INTO items (stage, key, hub, snapshot, state)
SELECT DISTINCT 'object', objects.sha256, :hub, :snapshot, 'todo'
FROM origins AS o
JOIN wanted ON wanted.origin = o.id
JOIN objects ON objects.sha256 = wanted.sha256
WHERE o.url = :origin AND NOT objects.held
ORDER BY objects.sha256
ON CONFLICT (stage, key) DO UPDATE SET
    snapshot = excluded.snapshot, state = 'todo', reason = NULL, attempts = 0, not_before = 0,
    bytes = 0
WHERE items.snapshot <> excluded.snapshot

-- name: wish_asset
INSERT INTO assets (url, sha256_prefix) VALUES (:url, :sha256_prefix)
ON CONFLICT (url) DO UPDATE SET sha256_prefix = excluded.sha256_prefix

-- name: plan_asset
INSERT INTO items (stage, key, hub, snapshot, state)
SELECT 'asset', url, :hub, :snapshot, 'todo' FROM assets
WHERE url = :url AND (sha256 IS NULL OR sha256_prefix IS NULL)
ON CONFLICT (stage, key) DO UPDATE SET
    snapshot = excluded.snapshot, state = 'todo', reason = NULL, attempts = 0, not_before = 0,
    bytes = 0
WHERE items.snapshot <> excluded.snapshot

-- name: asset_task
SELECT a.sha256_prefix, o.size, a.observed_at
FROM assets AS a LEFT JOIN objects AS o ON o.sha256 = a.sha256 AND o.held WHERE a.url = :key

-- Whatever a killed process had in hand is free again, and was no attempt.
-- name: release
UPDATE items SET state = 'todo', attempts = max(attempts - 1, 0), not_before = 0
WHERE state = 'leased'

-- name: retry_failed
UPDATE items SET state = 'todo', reason = NULL, attempts = 0, not_before = 0
WHERE state = 'failed' AND snapshot = :snapshot AND stage IN (SELECT value FROM json_each(:stages))

-- The places that items wait for, and since or from when, found by leaps over the index; `leased`
-- ones are under way. Places are few, items are many.
-- name: waiting
WITH RECURSIVE places (state, place) AS (
    SELECT state, (
        SELECT min(place) FROM items
        WHERE stage = :stage AND snapshot = :snapshot AND items.state = states.state
    )
    FROM (SELECT 'postponed' AS state UNION ALL SELECT 'todo' UNION ALL SELECT 'leased') AS states
    UNION ALL
    SELECT state, (
        SELECT min(place) FROM items
        WHERE stage = :stage AND snapshot = :snapshot AND items.state = places.state
            AND items.place > places.place
    )
    FROM places WHERE place IS NOT NULL
)
SELECT state, place, (
    SELECT min(not_before) FROM items
    WHERE stage = :stage AND snapshot = :snapshot AND items.state = places.state
        AND items.place = places.place
) AS due
FROM places WHERE place IS NOT NULL

-- What was postponed and is due goes before what nobody tried.
-- name: lease
UPDATE items SET state = 'leased', attempts = attempts + 1
WHERE id IN (
    SELECT id FROM (
        SELECT id FROM items
        WHERE stage = :stage AND snapshot = :snapshot AND state = 'postponed'
            AND place = :place AND not_before <= :now
        ORDER BY not_before, id LIMIT :count
    )
    UNION ALL
    SELECT id FROM (
        SELECT id FROM items
        WHERE stage = :stage AND snapshot = :snapshot AND state = 'todo' AND place = :place
        ORDER BY not_before, id LIMIT :count
    )
    LIMIT :count
)
RETURNING id, stage, key, hub, attempts, place

-- name: close_item
UPDATE items SET
    state = :state, reason = :reason, not_before = :not_before, bytes = bytes + :bytes
WHERE stage = :stage AND key = :key

-- name: add_attempt
INSERT INTO attempts (snapshot, hub, stage, item, outcome, reason, http_status, bytes, seconds,
    at, tool, message)
VALUES (:snapshot, :hub, :stage, :item, :outcome, :reason, :http_status, :bytes, :seconds,
    :at, :tool, :message)

-- name: ask_task
SELECT hub, package_id, name FROM packages
WHERE hub = :hub AND package_id = substr(:key, length(:hub) + 2)

-- name: origin_task
SELECT o.url, coalesce(o.holding, b.holding) AS holding, coalesce(o.visit, b.visit) AS visit,
    (SELECT min(p.fingerprint) FROM packages AS p
     WHERE p.origin = o.id AND p.last_seen = :snapshot) AS fingerprint,
    (SELECT min(p.status) FROM packages AS p WHERE p.origin = o.id) AS status
FROM origins AS o LEFT JOIN origins AS b ON b.id = o.predecessor
WHERE o.url = :key

-- name: object_size
SELECT size FROM objects WHERE sha256 = :key

-- A few sources, one an origin; pointers that disagree about the size all have their turn.
-- name: object_sources
SELECT o.url AS origin, o.head AS revision, w.path, w.size
FROM (
    SELECT origin, size, min(path) AS path FROM wanted WHERE sha256 = :key GROUP BY origin, size
) AS w JOIN origins AS o ON o.id = w.origin
WHERE o.head IS NOT NULL
ORDER BY row_number() OVER (PARTITION BY w.size ORDER BY o.id), o.id, w.path
LIMIT 6

-- name: set_gate
INSERT INTO gates (name, state) VALUES (:name, :state)
ON CONFLICT (name) DO UPDATE SET state = excluded.state WHERE gates.state <> excluded.state

-- name: keep_figures
INSERT OR REPLACE INTO figures (snapshot, counted) VALUES (:snapshot, :counted)

-- name: forget_figures
DELETE FROM figures
