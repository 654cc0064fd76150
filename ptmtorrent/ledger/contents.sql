-- What can be rebuilt from the journal and the store, table by table, in the order of the keys,
-- which come first. Left out: attempts, gates, leases and other work, and what a build counted
-- (visits.commits, lost).

-- name: snapshots
SELECT seq, id, as_of, begun_at, finished_at, manifest FROM snapshots ORDER BY seq

-- name: listings
SELECT snapshot, hub, outcome, reason, scope, listed, unparsed, drift, first_page_at, last_page_at,
    trouble_at, next_cursor
FROM listings ORDER BY snapshot, hub

-- name: pages
SELECT seq, snapshot, hub, sha256, received_at FROM pages ORDER BY seq

-- name: packages
SELECT id, hub, package_id, name, former_names, origin, page, raw_index, status, first_seen,
    last_seen, downloads, used_bytes, fingerprint, twin
FROM packages ORDER BY id

-- name: origins
SELECT id, key, url, predecessor, moved_to, visit, head, holding, pack_bytes, is_complete, lacks,
    fingerprint, depth, is_shelf, observed_at
FROM origins ORDER BY id

-- name: visits
SELECT origin, snapshot, visit, holding, told FROM visits ORDER BY origin, snapshot

-- name: wanted
SELECT origin, path, sha256, size FROM wanted ORDER BY origin, path

-- name: assets
SELECT url, sha256, observed_at FROM assets WHERE sha256 IS NOT NULL ORDER BY url

-- name: objects
SELECT sha256, size, held FROM objects ORDER BY sha256

-- The final words; what is done again since, or in a later snapshot, is no longer final.
-- name: items
SELECT stage, key, snapshot, state, reason FROM items
WHERE state IN ('done', 'skipped') AND stage <> 'object'
ORDER BY stage, key

-- name: schema
SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name

-- name: held
SELECT o.sha256, o.size, o.held, i.state
FROM objects AS o LEFT JOIN items AS i ON i.stage = 'object' AND i.key = o.sha256
ORDER BY o.sha256

-- A snapshot that is not finished, or a newest visit not counted since the ledger was rebuilt.
-- name: open
SELECT 1 FROM snapshots WHERE finished_at IS NULL
UNION ALL
SELECT 1 FROM visits AS v JOIN origins AS o ON o.id = v.origin AND o.visit = v.visit
WHERE v.told IS NOT NULL AND o.id IN (SELECT origin FROM named) AND NOT EXISTS (
    SELECT 1 FROM visits AS c
    WHERE c.origin = v.origin AND c.visit = v.visit AND c.commits IS NOT NULL
)
LIMIT 1

-- What a build counted of the visits it tells, and what it found lost, by origin.
-- name: counted
SELECT o.key, v.visit, v.commits
FROM visits AS v JOIN origins AS o ON o.id = v.origin
WHERE v.told IS NOT NULL AND v.commits IS NOT NULL ORDER BY o.key, v.visit

-- name: lost
SELECT o.key, l.oid
FROM lost AS l JOIN origins AS o ON o.id = l.origin
WHERE o.id IN (SELECT origin FROM named)
ORDER BY o.key, l.oid
