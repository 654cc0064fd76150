-- The figures of a snapshot as they were last counted. Whatever is written to the ledger empties it,
-- so what is here is what counting again would find.
CREATE TABLE IF NOT EXISTS figures (
    snapshot INTEGER PRIMARY KEY REFERENCES snapshots (seq),
    counted TEXT NOT NULL                  -- JSON, as ledger/figures.py writes it
) STRICT;
