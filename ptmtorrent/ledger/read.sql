-- Reads for the build, for status and for people. Rows come in the order shards are written in.

-- name: position
SELECT applied, digest FROM position

-- name: snapshots
SELECT seq, id, as_of, begun_at, finished_at, manifest FROM snapshots ORDER BY seq

-- One that waits for a page that was lost is cut off there.
-- name: listings
SELECT hub, CASE outcome WHEN 'waiting' THEN 'cut' ELSE outcome END AS outcome, reason, scope,
    listed, unparsed, drift, first_page_at, last_page_at, next_cursor,
    CASE WHEN trouble_at IS NOT NULL THEN (
        SELECT min(before.trouble_at) FROM listings AS before
        WHERE before.hub = now.hub AND before.snapshot <= now.snapshot
            AND before.snapshot > coalesce((
                SELECT max(well.snapshot) FROM listings AS well
                WHERE well.hub = now.hub AND well.snapshot <= now.snapshot
                    AND well.outcome IN ('complete', 'limited')
            ), 0)
    ) END AS unreachable_since
FROM listings AS now WHERE snapshot = :snapshot ORDER BY hub

-- Packages page by page, so that each page is read once; or by origin, so that each is opened once.
-- name: packages
SELECT
    p.hub, p.package_id, p.name, p.former_names, p.raw_index, p.status, s1.id AS first_seen,
    s2.id AS last_seen, g.sha256 AS page, g.received_at,
    coalesce(m.url, o.url) AS origin,
    coalesce(m.visit, o.visit) AS visit, coalesce(m.holding, o.holding) AS holding,
    coalesce(m.lacks, o.lacks) AS lacks_blobs,
    v.reason AS visit_reason,
    EXISTS (
        SELECT 1 FROM wanted AS w JOIN objects ON objects.sha256 = w.sha256
        WHERE w.origin = coalesce(m.id, o.id) AND NOT objects.held
    ) AS lacks_objects,
    (
        SELECT min(i.reason) FROM wanted AS w CROSS JOIN items AS i ON i.key = w.sha256
        WHERE w.origin = coalesce(m.id, o.id) AND i.stage = 'object'
            AND i.state IN ('skipped', 'failed')
    ) AS object_reason
FROM packages AS p
JOIN pages AS g ON g.seq = p.page
JOIN snapshots AS s1 ON s1.seq = p.first_seen
JOIN snapshots AS s2 ON s2.seq = p.last_seen
LEFT JOIN origins AS o ON o.id = p.origin
LEFT JOIN origins AS m ON m.id = o.moved_to
LEFT JOIN items AS v ON v.stage = 'visit' AND v.key = coalesce(m.url, o.url)
    AND v.state IN ('skipped', 'failed')
WHERE p.hub = :hub
ORDER BY CASE WHEN :by_origin THEN coalesce(m.url, o.url) END, p.page, p.raw_index

-- name: origins
SELECT o.id, o.key, o.url, o.visit, o.holding, o.observed_at, i.state,
    CASE WHEN i.state IN ('skipped', 'failed') THEN i.reason END AS reason
FROM named AS n
JOIN origins AS o ON o.id = n.origin
LEFT JOIN items AS i ON i.stage = 'visit' AND i.key = o.url
ORDER BY o.key

-- The visits of an origin whose facts finished snapshots tell, oldest first.
-- name: told_visits
SELECT visit, holding FROM visits
WHERE origin = :origin AND told IS NOT NULL ORDER BY snapshot

-- Visits whose packs an origin's newest holding may be built upon: its own, and those it had
-- under earlier URLs.
-- name: kept_visits
WITH RECURSIVE line (id) AS (
    SELECT id FROM origins WHERE url = :url
    UNION
    SELECT o.predecessor FROM origins AS o JOIN line ON line.id = o.id
    WHERE o.predecessor IS NOT NULL
)
SELECT visit, holding FROM visits WHERE origin IN (SELECT id FROM line)
GROUP BY visit, holding ORDER BY min(snapshot), visit, holding

-- name: is_held
SELECT 1 FROM objects WHERE sha256 = :sha256 AND held

-- name: lost_commits
SELECT oid FROM lost WHERE origin = :origin ORDER BY oid

-- name: commit_count
SELECT commits FROM visits
WHERE origin = :origin AND visit = :visit AND commits IS NOT NULL LIMIT 1

-- name: blobs
SELECT o.sha256, o.size, o.held, count(*) AS uses,
    CASE WHEN i.state IN ('skipped', 'failed') AND NOT o.held THEN i.reason END AS reason
FROM objects AS o
JOIN (
    SELECT w.sha256 FROM wanted AS w JOIN named AS n ON n.origin = w.origin
    UNION ALL
    SELECT sha256 FROM assets WHERE sha256 IS NOT NULL
) AS w ON w.sha256 = o.sha256
LEFT JOIN items AS i ON i.stage = 'object' AND i.key = o.sha256
GROUP BY o.sha256 ORDER BY o.sha256

-- name: asset
SELECT a.sha256, o.size, a.observed_at,
    CASE WHEN a.sha256 IS NULL AND i.state IN ('skipped', 'failed') THEN i.reason END AS reason
FROM (SELECT :url AS url) AS asked
LEFT JOIN assets AS a ON a.url = asked.url
LEFT JOIN objects AS o ON o.sha256 = a.sha256
LEFT JOIN items AS i ON i.stage = 'asset' AND i.key = asked.url

-- name: object_reason
SELECT reason FROM items
WHERE stage = 'object' AND key = :key AND state IN ('skipped', 'failed')

-- name: attempts
SELECT hub, stage, item, outcome, reason, http_status, bytes, seconds, at, tool, message
FROM attempts WHERE snapshot = :snapshot ORDER BY id

-- name: kept_figures
SELECT CAST(counted AS BLOB) AS counted FROM figures WHERE snapshot = :snapshot

-- name: with_figures
SELECT s.seq, s.id FROM figures AS f JOIN snapshots AS s ON s.seq = f.snapshot ORDER BY s.seq

-- name: item_counts
SELECT hub, stage, state, reason, count(*) AS items, sum(bytes) AS bytes
FROM items WHERE snapshot = :snapshot GROUP BY hub, stage, state, reason
ORDER BY hub, stage, state, reason

-- name: package_counts
SELECT hub, count(*) AS packages FROM packages GROUP BY hub ORDER BY hub

-- name: origin_counts
SELECT p.hub, count(DISTINCT coalesce((
    SELECT o.moved_to FROM origins AS o WHERE o.id = p.origin AND o.moved_to IS NOT NULL
), p.origin)) AS origins
FROM packages AS p WHERE p.origin IS NOT NULL
GROUP BY p.hub ORDER BY p.hub

-- name: troubles
SELECT hub, stage, key, state, reason FROM items
WHERE snapshot = :snapshot AND state IN ('failed', 'skipped')
    AND (:state IS NULL OR state = :state)
ORDER BY hub, stage, key LIMIT :count

-- What deduplication saved: bytes of objects named more than once, beyond the first time.
-- name: saved_bytes
SELECT count(*) AS objects, coalesce(sum(o.size), 0) AS bytes,
    coalesce(sum(o.size * (u.uses - 1)), 0) AS saved
FROM objects AS o
JOIN (
    SELECT sha256, count(*) AS uses
    FROM (
        SELECT DISTINCT w.sha256, w.origin FROM wanted AS w JOIN named AS n ON n.origin = w.origin
        UNION ALL
        SELECT sha256, url FROM assets WHERE sha256 IS NOT NULL
    )
    GROUP BY sha256
) AS u ON u.sha256 = o.sha256
WHERE o.held

-- name: received_bytes
SELECT coalesce(sum(bytes), 0) AS bytes FROM items WHERE snapshot = :snapshot

-- name: work_ahead
SELECT v.hub, v.stage, count(*) AS items, coalesce(sum(size), 0) AS bytes
FROM (
    SELECT i.hub, i.stage,
        CASE i.stage
            WHEN 'object' THEN (SELECT size FROM objects WHERE sha256 = i.key)
            ELSE (SELECT max(p.used_bytes) FROM packages AS p JOIN origins AS o ON o.id = p.origin
                  WHERE o.url = i.key)
        END AS size
    FROM items AS i
    WHERE i.snapshot = :snapshot AND i.state IN ('todo', 'postponed', 'leased')
) AS v
GROUP BY v.hub, v.stage ORDER BY v.hub, v.stage

-- name: gates
SELECT name, state FROM gates ORDER BY name

-- The visit of an origin that this snapshot made.
-- name: visited_in
SELECT v.visit, v.holding FROM visits AS v JOIN origins AS o ON o.id = v.origin
WHERE o.url = :url AND v.snapshot = :snapshot

-- name: where_now
SELECT value AS url FROM json_each(:urls)
UNION
SELECT there.url
FROM json_each(:urls) AS asked
JOIN origins AS here ON here.url = asked.value
JOIN origins AS there ON there.id = here.moved_to

-- Origins of a host that are called alike but for letter case, the one that stands for all first:
-- a shelf, which is visited before the others are known, then one that is held.
-- name: spellings
SELECT url FROM origins
WHERE url > :host || '/' AND url < :host || '0' AND lower(url) = lower(:url)
ORDER BY is_shelf DESC, visit IS NULL, url

-- name: held
SELECT visit, holding FROM origins WHERE url = :url AND visit IS NOT NULL

-- Holdings that may keep a visit of an origin, the best first: its own, then newer ones of the same
-- repository, under whatever name, for packs are kept from visit to visit.
-- name: holdings
WITH RECURSIVE kin (id) AS (
    SELECT id FROM origins WHERE url = :url
    UNION
    SELECT other.id
    FROM kin
    JOIN origins AS one ON one.id = kin.id
    JOIN origins AS other ON other.id IN (one.predecessor, one.moved_to)
        OR other.predecessor = one.id OR other.moved_to = one.id
),
known (holding, visit, snapshot) AS (
    SELECT v.holding, v.visit, v.snapshot FROM visits AS v JOIN kin ON kin.id = v.origin
    UNION ALL
    SELECT o.holding, o.visit, (SELECT max(seq) FROM snapshots) + 1
    FROM origins AS o JOIN kin USING (id) WHERE o.holding IS NOT NULL
)
SELECT holding FROM known
GROUP BY holding ORDER BY max(visit = :visit) DESC, max(snapshot) DESC, holding

-- name: pack_bytes
SELECT coalesce(sum(o.pack_bytes), 0) FROM named AS n JOIN origins AS o ON o.id = n.origin
