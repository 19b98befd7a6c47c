-- Lanes, holds, budgets and books: what a store of 0.1.0 does not know. Tables whose columns or checks change
-- are made anew and filled from the old ones, the referring ones with them.
DROP INDEX jobs_due;
DROP INDEX jobs_waiting;
DROP INDEX jobs_queued_age;
DROP INDEX jobs_deadline;
DROP INDEX jobs_running;
DROP INDEX jobs_dedupe;
DROP INDEX calls_not_settled;
ALTER TABLE jobs RENAME TO old_jobs;
ALTER TABLE calls RENAME TO old_calls;
ALTER TABLE attempts RENAME TO old_attempts;
ALTER TABLE blobs RENAME TO old_blobs;
ALTER TABLE holds RENAME TO old_holds;


CREATE TABLE jobs (
  id              INTEGER PRIMARY KEY AUTOINCREMENT,
  state           TEXT    NOT NULL DEFAULT 'queued'
                  CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled', 'expired', 'held')),
  due             INTEGER NOT NULL DEFAULT 1 CHECK (due IN (0, 1, 2)),  -- queued, but 0: waits for not_before_ms, 2: is under a hold of its own
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

CREATE TABLE calls (
  id                     INTEGER PRIMARY KEY AUTOINCREMENT,
  state                  TEXT    NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'settled', 'unknown')),
  kind                   TEXT    NOT NULL DEFAULT 'message' CHECK (kind IN ('message', 'prewarm')),
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
  PRIMARY KEY (job_id, number)
) STRICT, WITHOUT ROWID;

-- What a job asks for that decides its prices was not kept: what its text mentions is taken for asked.
INSERT INTO jobs (id, state, due, lane, workflow, model, priority, submitted_ms, not_before_ms, deadline_ms,
       max_tokens, input_bytes, most_input_tokens, prefix, prompt_name, prompt_version, dedupe_key,
       metadata, traceparent, submitted_by, attempts, tries, crash_count, first_attempt_ms,
       started_ms, finished_ms, lease_token, lease_owner, lease_until_ms, wait_reason, stop_reason,
       error, cost_nanousd, body, answer,
       most_web_searches, terms)
SELECT id, state, due, lane, workflow, model, priority, submitted_ms, not_before_ms, deadline_ms,
       max_tokens, input_bytes, most_input_tokens, prefix, prompt_name, prompt_version, dedupe_key,
       metadata, traceparent, submitted_by, attempts, tries, crash_count, first_attempt_ms,
       started_ms, finished_ms, lease_token, lease_owner, lease_until_ms, wait_reason, stop_reason,
       error, cost_nanousd, body, answer,
       10 * (instr(asks, '"web_search') > 0),
       (instr(asks, '"fast"') > 0) + 8 * (instr(asks, 'cache_control') > 0)
       + 16 * (instr(asks, '"web_') > 0 OR instr(asks, 'code_execution') > 0 OR instr(asks, 'mcp_') > 0)
FROM (SELECT *, CAST(coalesce(body, (SELECT data FROM old_blobs WHERE job_id = old_jobs.id AND part = 'body'), '') AS TEXT) ||
         coalesce((SELECT template FROM prompt_versions WHERE version = old_jobs.prompt_version), '') AS asks FROM old_jobs);

INSERT INTO blobs (job_id, part, data) SELECT job_id, part, data FROM old_blobs;

INSERT INTO calls (id, state, pool, model, owner, opened_ms, ended_ms, reserved_nanousd, cost_nanousd,
       uncached_nanousd, outcome, http_status, request_id, input_tokens, cache_write_5m_tokens,
       cache_write_1h_tokens, cache_read_tokens, output_tokens, thinking_tokens, raw_usage,
       lane, workflow, prompt_name, prompt_version, prefix, unbatched_nanousd, plain_nanousd, split_known,
       web_searches, web_fetches, service_tier, speed, inference_geo)
SELECT c.id, c.state, c.pool, c.model, c.owner, c.opened_ms, c.ended_ms, c.reserved_nanousd,
       c.cost_nanousd, c.uncached_nanousd, c.outcome, c.http_status, c.request_id, c.input_tokens,
       c.cache_write_5m_tokens, c.cache_write_1h_tokens, c.cache_read_tokens, c.output_tokens,
       c.thinking_tokens, c.raw_usage,
       ifnull(j.lane, 'unknown'), ifnull(j.workflow, 'unknown'), j.prompt_name, j.prompt_version, j.prefix,
       c.cost_nanousd, c.uncached_nanousd, iif(c.state = 'settled', 1, NULL),
       iif(c.state = 'settled', ifnull(json_extract(c.raw_usage, '$.server_tool_use.web_search_requests'), 0), NULL),
       iif(c.state = 'settled', ifnull(json_extract(c.raw_usage, '$.server_tool_use.web_fetch_requests'), 0), NULL),
       ifnull(json_extract(c.raw_usage, '$.service_tier'), 'standard'),
       ifnull(json_extract(c.raw_usage, '$.speed'), 'standard'),
       json_extract(c.raw_usage, '$.inference_geo')
FROM old_calls c
LEFT JOIN jobs j ON j.id = ifnull((SELECT min(job_id) FROM old_attempts WHERE call_id = c.id),
                                  (SELECT id FROM jobs WHERE state = 'running' AND lease_token = c.id));

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

CREATE TABLE holds (
  scope        TEXT    NOT NULL,   -- 'all', or 'pool:', 'model:', 'lane:', 'workflow:', 'job:' and a name
  by_hand      INTEGER NOT NULL CHECK (by_hand = (cause = 'manual')),
  cause        TEXT    NOT NULL,
  reason       TEXT    NOT NULL,
  since_ms     INTEGER NOT NULL,
  probe_at_ms  INTEGER,
  until_ms     INTEGER CHECK (until_ms IS NULL OR by_hand),
  set_by       TEXT,
  probed_ms    TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(probed_ms)),   -- the last few probes
  PRIMARY KEY (scope, by_hand)
) STRICT, WITHOUT ROWID;

INSERT INTO holds (scope, cause, reason, since_ms, probe_at_ms, by_hand)
SELECT scope, cause, reason, since_ms, probe_at_ms, cause = 'manual' FROM old_holds;
DROP TABLE old_holds;

CREATE TABLE usage_hours (
  hour_ms                INTEGER NOT NULL,
  workflow               TEXT    NOT NULL,
  lane                   TEXT    NOT NULL,
  model                  TEXT    NOT NULL,
  prompt_name            TEXT    NOT NULL,   -- '' for none, as in the columns below
  prompt_version         TEXT    NOT NULL,
  service_tier           TEXT    NOT NULL,
  speed                  TEXT    NOT NULL,
  inference_geo          TEXT    NOT NULL,
  kind                   TEXT    NOT NULL,
  calls                  INTEGER NOT NULL DEFAULT 0,   -- settled ones
  unknown_calls          INTEGER NOT NULL DEFAULT 0,
  unknown_bound_nanousd  INTEGER NOT NULL DEFAULT 0,
  unsplit_calls          INTEGER NOT NULL DEFAULT 0,   -- whose cache writes were not told by TTL
  input_tokens           INTEGER NOT NULL DEFAULT 0,
  cache_write_5m_tokens  INTEGER NOT NULL DEFAULT 0,
  cache_write_1h_tokens  INTEGER NOT NULL DEFAULT 0,
  cache_read_tokens      INTEGER NOT NULL DEFAULT 0,
  output_tokens          INTEGER NOT NULL DEFAULT 0,
  thinking_tokens        INTEGER NOT NULL DEFAULT 0,
  web_searches           INTEGER NOT NULL DEFAULT 0,
  web_fetches            INTEGER NOT NULL DEFAULT 0,
  cost_nanousd           INTEGER NOT NULL DEFAULT 0,
  uncached_nanousd       INTEGER NOT NULL DEFAULT 0,
  unbatched_nanousd      INTEGER NOT NULL DEFAULT 0,
  plain_nanousd          INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (hour_ms, workflow, lane, model, prompt_name, prompt_version, service_tier, speed, inference_geo, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE hold_audit (
  id        INTEGER PRIMARY KEY,
  at_ms     INTEGER NOT NULL,
  action    TEXT    NOT NULL CHECK (action IN ('set', 'changed', 'released')),
  scope     TEXT    NOT NULL,
  cause     TEXT    NOT NULL,
  reason    TEXT    NOT NULL,
  who       TEXT    NOT NULL,
  until_ms  INTEGER
) STRICT;

CREATE TABLE budget_changes (
  id                  INTEGER PRIMARY KEY,
  at_ms               INTEGER NOT NULL,
  budget              TEXT    NOT NULL,
  act                 TEXT    NOT NULL CHECK (act IN ('set', 'released', 'reached', 'ended')),
  reason              TEXT    NOT NULL,
  who                 TEXT    NOT NULL,
  limit_nanousd       INTEGER NOT NULL CHECK (limit_nanousd > 0),   -- then in force, for 'set' the new one
  until_ms            INTEGER,
  threshold           TEXT,
  configured_nanousd  INTEGER,
  CHECK ((threshold IS NULL) = (act IN ('set', 'released'))),
  CHECK ((configured_nanousd IS NOT NULL) = (act = 'set'))
) STRICT;

INSERT INTO usage_hours
SELECT opened_ms - opened_ms % 3600000, workflow, lane, model, ifnull(prompt_name, ''), ifnull(prompt_version, ''),
       service_tier, speed, ifnull(inference_geo, ''), kind, sum(state = 'settled'), sum(state = 'unknown'),
       sum(iif(state = 'unknown', reserved_nanousd, 0)), 0, ifnull(sum(input_tokens), 0),
       ifnull(sum(cache_write_5m_tokens), 0), ifnull(sum(cache_write_1h_tokens), 0),
       ifnull(sum(cache_read_tokens), 0), ifnull(sum(output_tokens), 0), ifnull(sum(thinking_tokens), 0),
       ifnull(sum(web_searches), 0), ifnull(sum(web_fetches), 0), ifnull(sum(cost_nanousd), 0),
       ifnull(sum(uncached_nanousd), 0), ifnull(sum(unbatched_nanousd), 0), ifnull(sum(plain_nanousd), 0)
FROM calls
WHERE state <> 'open'
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10;

CREATE INDEX jobs_due ON jobs (lane, workflow, model, priority DESC, ifnull(deadline_ms, 9223372036854775807), id)
  WHERE state = 'queued' AND due = 1;

CREATE INDEX jobs_waiting ON jobs (not_before_ms) WHERE state = 'queued' AND due = 0;

CREATE INDEX jobs_queued_age ON jobs (lane, due, model, id) WHERE state = 'queued';

CREATE INDEX jobs_deadline ON jobs (deadline_ms) WHERE state = 'queued' AND deadline_ms IS NOT NULL;

CREATE INDEX jobs_running ON jobs (lane, id) WHERE state = 'running';

CREATE INDEX jobs_fallback ON jobs (asked_model, id) WHERE state = 'queued' AND fallback_model IS NOT NULL;

CREATE UNIQUE INDEX jobs_dedupe ON jobs (workflow, dedupe_key) WHERE dedupe_key IS NOT NULL;

CREATE INDEX calls_not_settled ON calls (state, id) WHERE state = 'open' OR state = 'unknown';

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
