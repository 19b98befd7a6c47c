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
ALTER TABLE jobs ADD COLUMN mailbox         TEXT;

-- Whoever submits has dedupe keys of its own.
DROP INDEX jobs_dedupe;
CREATE UNIQUE INDEX jobs_dedupe ON jobs (workflow, dedupe_key, ifnull(submitted_by, ''), ifnull(mailbox, ''))
  WHERE dedupe_key IS NOT NULL;

CREATE INDEX jobs_attended ON jobs (id) WHERE attended IS NOT NULL AND state IN ('queued', 'held');

ALTER TABLE calls ADD COLUMN submitted_by TEXT;

UPDATE calls SET submitted_by = j.submitted_by FROM attempts AS a JOIN jobs AS j ON j.id = a.job_id
WHERE a.call_id = calls.id AND calls.kind = 'message' AND j.submitted_by IS NOT NULL;

UPDATE calls SET submitted_by = j.submitted_by FROM jobs AS j
WHERE j.lease_token = calls.id AND j.state = 'running' AND calls.kind = 'message' AND j.submitted_by IS NOT NULL;

-- How many jobs of each submitter are in the queue. The triggers keep it equal to the jobs.
CREATE TABLE submitters (
  submitted_by  TEXT PRIMARY KEY,
  queued        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER jobs_submitted AFTER INSERT ON jobs WHEN new.submitted_by IS NOT NULL AND new.state = 'queued'
BEGIN
  INSERT INTO submitters VALUES (new.submitted_by, 1) ON CONFLICT DO UPDATE SET queued = queued + 1;
END;

CREATE TRIGGER jobs_moved AFTER UPDATE OF state ON jobs
WHEN new.submitted_by IS NOT NULL AND (old.state = 'queued') <> (new.state = 'queued')
BEGIN
  INSERT INTO submitters VALUES (new.submitted_by, iif(new.state = 'queued', 1, -1))
  ON CONFLICT DO UPDATE SET queued = queued + excluded.queued;
END;

CREATE TRIGGER jobs_deleted AFTER DELETE ON jobs WHEN old.submitted_by IS NOT NULL AND old.state = 'queued'
BEGIN
  UPDATE submitters SET queued = queued - 1 WHERE submitted_by = old.submitted_by;
END;

-- What the calls for each submitter's jobs cost that were opened on a day (UTC): settled, and at most those of unknown
-- cost and those under way. Shared calls are here by their parts once they have ended. The triggers keep it so.
CREATE TABLE submitter_days (
  submitted_by     TEXT    NOT NULL,
  day_ms           INTEGER NOT NULL,
  cost_nanousd     INTEGER NOT NULL DEFAULT 0,
  unknown_nanousd  INTEGER NOT NULL DEFAULT 0,
  open_nanousd     INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (submitted_by, day_ms)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER calls_opened AFTER INSERT ON calls WHEN new.submitted_by IS NOT NULL AND new.state = 'open'
BEGIN
  INSERT INTO submitter_days (submitted_by, day_ms, open_nanousd)
  VALUES (new.submitted_by, new.opened_ms - new.opened_ms % 86400000, new.reserved_nanousd)
  ON CONFLICT DO UPDATE SET open_nanousd = open_nanousd + excluded.open_nanousd;
END;

CREATE TRIGGER calls_ended AFTER UPDATE OF state ON calls WHEN new.submitted_by IS NOT NULL
BEGIN
  UPDATE submitter_days SET
    cost_nanousd = cost_nanousd + ifnull(new.cost_nanousd, 0) - ifnull(old.cost_nanousd, 0),
    unknown_nanousd = unknown_nanousd + ((new.state = 'unknown') - (old.state = 'unknown')) * new.reserved_nanousd,
    open_nanousd = open_nanousd + ((new.state = 'open') - (old.state = 'open')) * new.reserved_nanousd
  WHERE submitted_by = new.submitted_by AND day_ms = new.opened_ms - new.opened_ms % 86400000;
END;

CREATE TRIGGER calls_dropped AFTER DELETE ON calls WHEN old.submitted_by IS NOT NULL AND old.state = 'open'
BEGIN
  UPDATE submitter_days SET open_nanousd = open_nanousd - old.reserved_nanousd
  WHERE submitted_by = old.submitted_by AND day_ms = old.opened_ms - old.opened_ms % 86400000;
END;

CREATE TRIGGER attempts_shared AFTER INSERT ON attempts WHEN new.items > 1
BEGIN
  INSERT INTO submitter_days (submitted_by, day_ms, cost_nanousd, unknown_nanousd)
  SELECT j.submitted_by, c.opened_ms - c.opened_ms % 86400000, new.cost_nanousd,
         iif(c.state = 'settled', 0, c.reserved_nanousd / new.items)
  FROM jobs AS j JOIN calls AS c ON c.id = new.call_id
  WHERE j.id = new.job_id AND j.submitted_by IS NOT NULL AND c.submitted_by IS NULL
  ON CONFLICT DO UPDATE SET cost_nanousd = cost_nanousd + excluded.cost_nanousd,
         unknown_nanousd = unknown_nanousd + excluded.unknown_nanousd;
END;

CREATE TRIGGER attempts_shared_and_charged_late AFTER UPDATE OF cost_nanousd ON attempts WHEN new.items > 1
BEGIN
  UPDATE submitter_days SET cost_nanousd = cost_nanousd + new.cost_nanousd - old.cost_nanousd
  WHERE submitted_by = (SELECT submitted_by FROM jobs WHERE id = new.job_id)
    AND day_ms = (SELECT opened_ms - opened_ms % 86400000 FROM calls WHERE id = new.call_id AND submitted_by IS NULL);
END;

CREATE TRIGGER calls_shared_and_known_after_all AFTER UPDATE OF state ON calls
WHEN old.state = 'unknown' AND new.state = 'settled' AND new.kind = 'pack' AND new.submitted_by IS NULL
BEGIN
  UPDATE submitter_days SET unknown_nanousd = unknown_nanousd
    - (SELECT ifnull(sum(new.reserved_nanousd / a.items), 0) FROM attempts AS a JOIN jobs AS j ON j.id = a.job_id
       WHERE a.call_id = new.id AND a.items > 1 AND j.submitted_by = submitter_days.submitted_by)
  WHERE day_ms = new.opened_ms - new.opened_ms % 86400000;
END;

-- Secrets that callers may show. Only a hash is kept: a secret of 256 random bits cannot be guessed from it.
CREATE TABLE tokens (
  id            INTEGER PRIMARY KEY,
  name          TEXT    NOT NULL,
  hash          BLOB    NOT NULL CHECK (length(hash) = 32),
  allows        TEXT    NOT NULL CHECK (json_valid(allows)),   -- policy.access.settings.GrantSettings
  created_ms    INTEGER NOT NULL,
  created_by    TEXT    NOT NULL,
  expires_ms    INTEGER,
  revoked_ms    INTEGER,
  revoked_by    TEXT,
  last_used_ms  INTEGER,                                        -- to the hour
  CHECK ((revoked_ms IS NULL) = (revoked_by IS NULL))
) STRICT;

CREATE UNIQUE INDEX tokens_in_force ON tokens (name) WHERE revoked_ms IS NULL;

INSERT INTO submitters
SELECT submitted_by, count(*) FROM jobs WHERE submitted_by IS NOT NULL AND state = 'queued' GROUP BY submitted_by;

INSERT INTO submitter_days
SELECT submitted_by, day_ms, sum(cost), sum(unknown), sum(open) FROM (
  SELECT submitted_by, opened_ms - opened_ms % 86400000 AS day_ms, ifnull(cost_nanousd, 0) AS cost,
         iif(state = 'unknown', reserved_nanousd, 0) AS unknown, iif(state = 'open', reserved_nanousd, 0) AS open
  FROM calls WHERE submitted_by IS NOT NULL
  UNION ALL
  SELECT j.submitted_by, c.opened_ms - c.opened_ms % 86400000, a.cost_nanousd,
         iif(c.state = 'settled', 0, c.reserved_nanousd / a.items), 0
  FROM attempts AS a JOIN jobs AS j ON j.id = a.job_id JOIN calls AS c ON c.id = a.call_id
  WHERE a.items > 1 AND j.submitted_by IS NOT NULL AND c.submitted_by IS NULL
) GROUP BY submitted_by, day_ms;

-- Which row of which mailbox became which job. `mailbox` is its uuid; a row stays until its answer was written, and then
-- so long as the row of the inbox may be seen again.
CREATE TABLE mailbox_jobs (
  mailbox     TEXT    NOT NULL,
  inbox_id    INTEGER NOT NULL,
  nonce       TEXT    NOT NULL,
  job_id      INTEGER NOT NULL,
  noted_ms    INTEGER NOT NULL,
  written_ms  INTEGER,                                      -- when its answer was written to the outbox
  PRIMARY KEY (mailbox, inbox_id, nonce)
) STRICT, WITHOUT ROWID;

CREATE INDEX mailbox_jobs_owed ON mailbox_jobs (mailbox, job_id) WHERE written_ms IS NULL;
CREATE INDEX mailbox_jobs_written ON mailbox_jobs (written_ms) WHERE written_ms IS NOT NULL;

CREATE INDEX jobs_unsuccessful ON jobs (state)
  WHERE state = 'failed' OR state = 'cancelled' OR state = 'expired' OR state = 'held';
