-- Front doors: what requests came with and were answered, and callers that wait on the line.

-- What requests with an Idempotency-Key were answered: a repeated one is answered the same.
CREATE TABLE receipts (
  id           INTEGER PRIMARY KEY,
  caller       TEXT    NOT NULL,
  key          TEXT    NOT NULL,
  fingerprint  BLOB    NOT NULL,   -- a hash over all that was asked
  status       INTEGER NOT NULL,
  location     TEXT,
  answer       BLOB    NOT NULL,
  at_ms        INTEGER NOT NULL,
  UNIQUE (caller, key)
) STRICT;

ALTER TABLE jobs ADD COLUMN attended        TEXT CHECK (attended IN ('cancel', 'finish'));
ALTER TABLE jobs ADD COLUMN dialect         TEXT CHECK (dialect IS NULL OR json_valid(dialect));
CREATE INDEX jobs_attended ON jobs (id) WHERE attended IS NOT NULL AND state IN ('queued', 'held');
