-- Packs and batches: jobs that share a call, and jobs that go by Message Batches. Tables whose columns or checks change
-- are made anew and filled from the old ones, the referring ones with them.
DROP TRIGGER calls_settled;
DROP TRIGGER calls_unknown;
DROP TRIGGER calls_known_after_all;
DROP INDEX jobs_due;
DROP INDEX jobs_waiting;
DROP INDEX jobs_queued_age;
DROP INDEX jobs_deadline;
DROP INDEX jobs_running;
DROP INDEX jobs_fallback;
DROP INDEX jobs_dedupe;
DROP INDEX calls_not_settled;
ALTER TABLE jobs RENAME TO old_jobs;
ALTER TABLE blobs RENAME TO old_blobs;
ALTER TABLE calls RENAME TO old_calls;
ALTER TABLE attempts RENAME TO old_attempts;

CREATE TABLE jobs (
  id              INTEGER PRIMARY KEY AUTOINCREMENT,
  state           TEXT    NOT NULL DEFAULT 'queued'
                  CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled', 'expired', 'held')),
  due             INTEGER NOT NULL DEFAULT 1 CHECK (due IN (0, 1, 2, 3)),  -- queued, but 0: waits for not_before_ms, 2: is under a hold of its own, 3: waits for its batch
  lane            TEXT    NOT NULL,
  workflow        TEXT    NOT NULL,
  model           TEXT    NOT NULL,
  priority        INTEGER NOT NULL DEFAULT 0,
  submitted_ms    INTEGER NOT NULL,
  not_before_ms   INTEGER NOT NULL DEFAULT 0,
  deadline_ms     INTEGER,
  max_tokens      INTEGER NOT NULL CHECK (max_tokens >= 0),
  input_bytes     INTEGER NOT NULL CHECK (input_bytes >= 0),
  most_input_tokens INTEGER NOT NULL CHECK (most_input_tokens >= 0),  -- the most its input can count
  most_web_searches INTEGER NOT NULL CHECK (most_web_searches >= 0),
  terms           INTEGER NOT NULL CHECK (terms >= 0),      -- what it asks for that decides its prices: domain.usage.Terms
  prefix          TEXT,                                     -- names the cacheable part of the request
  base            TEXT GENERATED ALWAYS AS (CASE WHEN instr(substr(prefix, 1, instr(prefix || '/', '/') - 1), ':') = 0
                                            THEN substr(prefix, 1, instr(prefix || '/', '/') - 1) END) VIRTUAL,  -- its tools and system
  pack            TEXT,                                     -- prompt@version as which it may share a call; NULL: it goes alone
  batched         INTEGER NOT NULL DEFAULT 0 CHECK (batched IN (0, 1)),  -- it goes by Message Batches
  batch_returns   INTEGER NOT NULL DEFAULT 0,               -- how often it came back from one unanswered
  fallback_model  TEXT,                                     -- the cheaper model that could answer, if any
  asked_model     TEXT,                                     -- set while `model` answers instead of this one
  fallback_reason TEXT,                                     -- why it does
  prompt_name     TEXT,
  prompt_version  TEXT REFERENCES prompt_versions (version),
  dedupe_key      TEXT,
  metadata        TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(metadata)),
  traceparent     TEXT,
  submitted_by    TEXT,
  attempts        INTEGER NOT NULL DEFAULT 0,               -- tries that used up an attempt
  tries           INTEGER NOT NULL DEFAULT 0,               -- every try ever begun
  crash_count     INTEGER NOT NULL DEFAULT 0,
  first_attempt_ms INTEGER,
  trying_ms       INTEGER NOT NULL DEFAULT 0,               -- spent on the attempts used up and the waits after them
  started_ms      INTEGER,
  finished_ms     INTEGER,
  lease_token     INTEGER,                                  -- the call the lease was given for: grows monotonically
  lease_owner     TEXT,
  lease_until_ms  INTEGER,
  wait_reason     TEXT,
  stop_reason     TEXT,
  error           TEXT CHECK (error IS NULL OR json_valid(error)),
  cost_nanousd    INTEGER NOT NULL DEFAULT 0,
  body            BLOB,                                     -- NULL: in blobs
  answer          BLOB,                                     -- NULL: none yet, or in blobs
  CHECK ((prompt_name IS NULL) = (prompt_version IS NULL)),
  CHECK ((asked_model IS NULL) = (fallback_reason IS NULL)),
  CHECK (due <> 3 OR batched = 1),
  CHECK ((state = 'running') = (lease_token IS NOT NULL)),
  CHECK ((lease_token IS NULL) = (lease_owner IS NULL) AND (lease_token IS NULL) = (lease_until_ms IS NULL)),
  CHECK ((state IN ('succeeded', 'failed', 'cancelled', 'expired')) = (finished_ms IS NOT NULL)),
  CHECK (state <> 'succeeded' OR stop_reason IS NOT NULL),
  CHECK (state <> 'failed' OR error IS NOT NULL)
) STRICT;

CREATE TABLE blobs (
  job_id  INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  part    TEXT    NOT NULL CHECK (part IN ('body', 'answer')),
  data    BLOB    NOT NULL,
  PRIMARY KEY (job_id, part)
) STRICT;

CREATE TABLE batches (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  state         TEXT    NOT NULL DEFAULT 'filling'
                CHECK (state IN ('filling', 'ready', 'creating', 'in_progress', 'canceling', 'ended', 'done', 'lost')),
  name          TEXT    NOT NULL UNIQUE,
  api_id        TEXT UNIQUE,
  warms         TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(warms)),   -- prefixes that it is to write for others
  marks         TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(marks)),   -- prefixes that its requests mark
  made_ms       INTEGER NOT NULL,
  attempted_ms  INTEGER,                                    -- when a create left last
  created_ms    INTEGER,
  expires_ms    INTEGER,
  ended_ms      INTEGER,
  done_ms       INTEGER,
  requests      INTEGER NOT NULL DEFAULT 0,
  bytes         INTEGER NOT NULL DEFAULT 0,
  booked        INTEGER NOT NULL DEFAULT 0,                 -- requests whose end is in the books
  left          INTEGER NOT NULL DEFAULT 0,                 -- requests whose jobs wait for them no more
  cancel_by     TEXT,                                       -- who wants it stopped
  processing    INTEGER NOT NULL DEFAULT 0,
  succeeded     INTEGER NOT NULL DEFAULT 0,
  errored       INTEGER NOT NULL DEFAULT 0,
  canceled      INTEGER NOT NULL DEFAULT 0,
  expired       INTEGER NOT NULL DEFAULT 0,
  problem       TEXT,
  CHECK (api_id IS NOT NULL OR state IN ('filling', 'ready', 'creating', 'lost', 'done')),
  CHECK ((api_id IS NULL) = (created_ms IS NULL)),
  CHECK ((state IN ('done', 'lost')) = (done_ms IS NOT NULL))
) STRICT;

CREATE INDEX batches_open ON batches (id) WHERE done_ms IS NULL;

CREATE TABLE calls (
  id                     INTEGER PRIMARY KEY AUTOINCREMENT,
  state                  TEXT    NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'settled', 'unknown')),
  kind                   TEXT    NOT NULL DEFAULT 'message' CHECK (kind IN ('message', 'prewarm', 'pack', 'canary')),
  pool                   TEXT    NOT NULL,
  model                  TEXT    NOT NULL,
  lane                   TEXT    NOT NULL,
  workflow               TEXT    NOT NULL,
  prompt_name            TEXT,
  prompt_version         TEXT,
  prefix                 TEXT,
  owner                  TEXT    NOT NULL,
  opened_ms              INTEGER NOT NULL,
  ended_ms               INTEGER,
  reserved_nanousd       INTEGER NOT NULL CHECK (reserved_nanousd >= 0),  -- the most it can cost
  cost_nanousd           INTEGER,
  uncached_nanousd       INTEGER,  -- the same without prompt caching
  unbatched_nanousd      INTEGER,  -- the same without the discount of batches
  plain_nanousd          INTEGER,  -- the same without either
  outcome                TEXT,
  http_status            INTEGER,
  request_id             TEXT,
  message_id             TEXT,
  input_tokens           INTEGER,
  cache_write_5m_tokens  INTEGER,
  cache_write_1h_tokens  INTEGER,
  split_known            INTEGER CHECK (split_known IN (0, 1)),  -- 0: the API did not say at which TTL; then all is under the longest asked for
  cache_read_tokens      INTEGER,
  output_tokens          INTEGER,
  thinking_tokens        INTEGER,
  web_searches           INTEGER,
  web_fetches            INTEGER,
  service_tier           TEXT    NOT NULL DEFAULT 'standard',   -- 'batch' for Message Batches
  speed                  TEXT    NOT NULL DEFAULT 'standard',
  inference_geo          TEXT,
  raw_usage              TEXT,
  batch_id               INTEGER REFERENCES batches (id),   -- the batch that carries it, for the job beside
  job_id                 INTEGER,
  CHECK ((batch_id IS NULL) = (job_id IS NULL)),
  CHECK ((state = 'open') = (ended_ms IS NULL)),
  CHECK ((state = 'settled') = (cost_nanousd IS NOT NULL))
) STRICT;

CREATE TABLE attempts (
  job_id        INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  number        INTEGER NOT NULL CHECK (number >= 1),
  call_id       INTEGER NOT NULL REFERENCES calls (id),
  outcome       TEXT    NOT NULL,
  used_attempt  INTEGER NOT NULL CHECK (used_attempt IN (0, 1)),
  ended_ms      INTEGER NOT NULL,
  cost_nanousd  INTEGER NOT NULL,
  error         TEXT CHECK (error IS NULL OR json_valid(error)),
  items         INTEGER NOT NULL DEFAULT 1 CHECK (items >= 1),
  slot          TEXT,                                       -- its id in the pack
  call_ms       INTEGER,                                    -- its part of the call's duration
  input_tokens        INTEGER,
  cache_write_tokens  INTEGER,
  cache_read_tokens   INTEGER,
  output_tokens       INTEGER,
  PRIMARY KEY (job_id, number)
) STRICT, WITHOUT ROWID;

INSERT INTO jobs (id, state, due, lane, workflow, model, priority, submitted_ms, not_before_ms, deadline_ms,
       max_tokens, input_bytes, most_input_tokens, most_web_searches, terms, prefix, fallback_model,
       asked_model, fallback_reason, prompt_name, prompt_version, dedupe_key, metadata, traceparent,
       submitted_by, attempts, tries, crash_count, first_attempt_ms, trying_ms, started_ms, finished_ms,
       lease_token, lease_owner, lease_until_ms, wait_reason, stop_reason, error, cost_nanousd, body,
       answer)
SELECT id, state, due, lane, workflow, model, priority, submitted_ms, not_before_ms, deadline_ms,
       max_tokens, input_bytes, most_input_tokens, most_web_searches, terms, prefix, fallback_model,
       asked_model, fallback_reason, prompt_name, prompt_version, dedupe_key, metadata, traceparent,
       submitted_by, attempts, tries, crash_count, first_attempt_ms, trying_ms, started_ms, finished_ms,
       lease_token, lease_owner, lease_until_ms, wait_reason, stop_reason, error, cost_nanousd, body,
       answer
FROM old_jobs;

INSERT INTO blobs (job_id, part, data)
SELECT job_id, part, data
FROM old_blobs;

INSERT INTO calls (id, state, kind, pool, model, lane, workflow, prompt_name, prompt_version, prefix, owner, opened_ms,
       ended_ms, reserved_nanousd, cost_nanousd, uncached_nanousd, unbatched_nanousd, plain_nanousd,
       outcome, http_status, request_id, message_id, input_tokens, cache_write_5m_tokens,
       cache_write_1h_tokens, split_known, cache_read_tokens, output_tokens, thinking_tokens, web_searches,
       web_fetches, service_tier, speed, inference_geo, raw_usage)
SELECT id, state, kind, pool, model, lane, workflow, prompt_name, prompt_version, prefix, owner, opened_ms,
       ended_ms, reserved_nanousd, cost_nanousd, uncached_nanousd, unbatched_nanousd, plain_nanousd,
       outcome, http_status, request_id, message_id, input_tokens, cache_write_5m_tokens,
       cache_write_1h_tokens, split_known, cache_read_tokens, output_tokens, thinking_tokens, web_searches,
       web_fetches, service_tier, speed, inference_geo, raw_usage
FROM old_calls;

INSERT INTO attempts (job_id, number, call_id, outcome, used_attempt, ended_ms, cost_nanousd, error)
SELECT job_id, number, call_id, outcome, used_attempt, ended_ms, cost_nanousd, error
FROM old_attempts;

-- Ids go on where they were: a lease's token never comes twice.
DELETE FROM sqlite_sequence WHERE name IN ('jobs', 'calls');
UPDATE sqlite_sequence SET name = substr(name, 5) WHERE name IN ('old_jobs', 'old_calls');
DROP TABLE old_attempts;
DROP TABLE old_blobs;
DROP TABLE old_calls;
DROP TABLE old_jobs;

CREATE INDEX jobs_due ON jobs (lane, workflow, model, priority DESC, ifnull(deadline_ms, 9223372036854775807), id)
  WHERE state = 'queued' AND due = 1;
CREATE INDEX jobs_waiting ON jobs (not_before_ms) WHERE state = 'queued' AND due = 0;
CREATE INDEX jobs_queued_age ON jobs (lane, due, model, id) WHERE state = 'queued';
CREATE INDEX jobs_deadline ON jobs (deadline_ms) WHERE state = 'queued' AND deadline_ms IS NOT NULL;
CREATE INDEX jobs_running ON jobs (lane, lease_owner, id) WHERE state = 'running';
CREATE INDEX jobs_in_batches ON jobs (lease_token) WHERE state = 'running' AND lease_owner = 'batch';
CREATE INDEX jobs_batch_deadline ON jobs (deadline_ms)
  WHERE state = 'running' AND lease_owner = 'batch' AND deadline_ms IS NOT NULL;
CREATE INDEX jobs_for_batches ON jobs (lane, workflow, model, base, priority DESC, ifnull(deadline_ms, 9223372036854775807), id, input_bytes, submitted_ms,
  not_before_ms) WHERE state = 'queued' AND due = 3;
CREATE INDEX jobs_fallback ON jobs (asked_model, id) WHERE state = 'queued' AND fallback_model IS NOT NULL;
CREATE UNIQUE INDEX jobs_dedupe ON jobs (workflow, dedupe_key) WHERE dedupe_key IS NOT NULL;
CREATE INDEX calls_not_settled ON calls (state, id) WHERE state = 'open' OR state = 'unknown';
CREATE INDEX calls_in_batches ON calls (batch_id, id) WHERE batch_id IS NOT NULL;
CREATE INDEX attempts_packed ON attempts (call_id) WHERE items > 1;

CREATE TRIGGER calls_settled AFTER UPDATE OF state ON calls WHEN new.state = 'settled'
BEGIN
  INSERT INTO usage_hours (hour_ms, workflow, lane, model, prompt_name, prompt_version, service_tier, speed,
         inference_geo, kind, calls, unsplit_calls, input_tokens, cache_write_5m_tokens, cache_write_1h_tokens,
         cache_read_tokens, output_tokens, thinking_tokens, web_searches, web_fetches, cost_nanousd,
         uncached_nanousd, unbatched_nanousd, plain_nanousd)
  VALUES (new.opened_ms - new.opened_ms % 3600000, new.workflow, new.lane, new.model,
         ifnull(new.prompt_name, ''), ifnull(new.prompt_version, ''), new.service_tier, new.speed,
         ifnull(new.inference_geo, ''), new.kind, 1, new.split_known IS 0, new.input_tokens, new.cache_write_5m_tokens,
         new.cache_write_1h_tokens, new.cache_read_tokens, new.output_tokens, new.thinking_tokens,
         new.web_searches, new.web_fetches, new.cost_nanousd, new.uncached_nanousd, new.unbatched_nanousd,
         new.plain_nanousd)
  ON CONFLICT DO UPDATE SET
         calls = calls + 1,
         unsplit_calls = unsplit_calls + excluded.unsplit_calls,
         input_tokens = input_tokens + excluded.input_tokens,
         cache_write_5m_tokens = cache_write_5m_tokens + excluded.cache_write_5m_tokens,
         cache_write_1h_tokens = cache_write_1h_tokens + excluded.cache_write_1h_tokens,
         cache_read_tokens = cache_read_tokens + excluded.cache_read_tokens,
         output_tokens = output_tokens + excluded.output_tokens,
         thinking_tokens = thinking_tokens + excluded.thinking_tokens,
         web_searches = web_searches + excluded.web_searches,
         web_fetches = web_fetches + excluded.web_fetches,
         cost_nanousd = cost_nanousd + excluded.cost_nanousd,
         uncached_nanousd = uncached_nanousd + excluded.uncached_nanousd,
         unbatched_nanousd = unbatched_nanousd + excluded.unbatched_nanousd,
         plain_nanousd = plain_nanousd + excluded.plain_nanousd;
END;

CREATE TRIGGER calls_unknown AFTER UPDATE OF state ON calls WHEN new.state = 'unknown'
BEGIN
  INSERT INTO usage_hours (hour_ms, workflow, lane, model, prompt_name, prompt_version, service_tier, speed,
         inference_geo, kind, unknown_calls, unknown_bound_nanousd)
  VALUES (new.opened_ms - new.opened_ms % 3600000, new.workflow, new.lane, new.model,
         ifnull(new.prompt_name, ''), ifnull(new.prompt_version, ''), 'standard', 'standard', '', new.kind,
         1, new.reserved_nanousd)
  ON CONFLICT DO UPDATE SET
         unknown_calls = unknown_calls + 1,
         unknown_bound_nanousd = unknown_bound_nanousd + excluded.unknown_bound_nanousd;
END;

CREATE TRIGGER calls_known_after_all AFTER UPDATE OF state ON calls
WHEN old.state = 'unknown' AND new.state = 'settled'
BEGIN
  UPDATE usage_hours
  SET unknown_calls = unknown_calls - 1, unknown_bound_nanousd = unknown_bound_nanousd - old.reserved_nanousd
  WHERE hour_ms = old.opened_ms - old.opened_ms % 3600000 AND workflow = old.workflow AND lane = old.lane
    AND model = old.model AND prompt_name = ifnull(old.prompt_name, '')
    AND prompt_version = ifnull(old.prompt_version, '') AND service_tier = 'standard' AND speed = 'standard'
    AND inference_geo = '' AND kind = old.kind;
END;
