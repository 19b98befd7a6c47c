-- Every statement of the store. `-- name:` begins one; the line after it says what it is for.

-- name: insert_job
-- A new job. An existing (workflow, dedupe_key) makes it a no-op.
INSERT INTO jobs (due, lane, workflow, model, priority, submitted_ms, not_before_ms, deadline_ms, max_tokens,
                  input_bytes, most_input_tokens, most_web_searches, terms, prefix, prompt_name, prompt_version,
                  dedupe_key, metadata, traceparent, submitted_by, wait_reason, body, fallback_model, asked_model,
                  fallback_reason)
VALUES (:due, :lane, :workflow, :model, :priority, :submitted_ms, :not_before_ms, :deadline_ms, :max_tokens,
        :input_bytes, :most_input_tokens, :most_web_searches, :terms, :prefix, :prompt_name, :prompt_version,
        :dedupe_key, :metadata, :traceparent, :submitted_by, :wait_reason, :body, :fallback_model, :asked_model,
        :fallback_reason)
ON CONFLICT (workflow, dedupe_key) WHERE dedupe_key IS NOT NULL DO NOTHING
RETURNING id;

-- name: job_by_dedupe_key
-- The job that a workflow submitted under this key.
SELECT id FROM jobs WHERE workflow = :workflow AND dedupe_key = :dedupe_key;

-- name: count_queued_up_to
-- How many jobs wait in a lane, counted no further than :limit.
SELECT count(*) FROM (SELECT 1 FROM jobs WHERE state = 'queued' AND lane = :lane LIMIT :limit);

-- name: insert_blob
-- A body or an answer that is too large for its job's row.
INSERT OR REPLACE INTO blobs (job_id, part, data) VALUES (:job_id, :part, :data);

-- name: blob
-- A large body or answer.
SELECT data FROM blobs WHERE job_id = :job_id AND part = :part;

-- name: insert_prompt_version
-- The stable part of a template, once per version.
INSERT INTO prompt_versions (version, name, template, first_used_ms)
VALUES (:version, :name, :template, :now_ms) ON CONFLICT (version) DO NOTHING;

-- name: prompt_version
-- A template as it was when its jobs were submitted.
SELECT template FROM prompt_versions WHERE version = :version;

-- name: flow_head
-- The first due jobs of one workflow and model in one lane: priority, then the earliest deadline, then age.
SELECT id, lane, workflow, model, priority, submitted_ms, deadline_ms, input_bytes, max_tokens, prefix,
       most_input_tokens, most_web_searches, terms
FROM jobs
WHERE state = 'queued' AND due = 1 AND lane = :lane AND workflow = :workflow AND model = :model
ORDER BY priority DESC, ifnull(deadline_ms, 9223372036854775807), id LIMIT :limit;

-- name: lane_eldest
-- The due jobs of one model in one lane that were submitted first.
SELECT id, lane, workflow, model, priority, submitted_ms, deadline_ms, input_bytes, max_tokens, prefix,
       most_input_tokens, most_web_searches, terms
FROM jobs WHERE state = 'queued' AND lane = :lane AND due = 1 AND model = :model ORDER BY id LIMIT :limit;

-- name: due_flows
-- The flows that have due jobs: read once, at start.
SELECT DISTINCT lane, workflow, model FROM jobs WHERE state = 'queued' AND due = 1;

-- name: open_call
-- A job's call, written before it leaves.
INSERT INTO calls (pool, model, lane, workflow, prompt_name, prompt_version, prefix, owner, opened_ms, reserved_nanousd)
SELECT :pool, model, lane, workflow, prompt_name, prompt_version, prefix, :owner, :now_ms, :reserved_nanousd
FROM jobs WHERE id = :job_id
RETURNING id;

-- name: lease_job
-- A queued job becomes running under the lease of call :token, unless its deadline has passed or it was moved to
-- another model or lane.
UPDATE jobs SET state = 'running', lease_token = :token, lease_owner = :owner, lease_until_ms = :lease_until_ms,
       first_attempt_ms = coalesce(first_attempt_ms, :now_ms), started_ms = coalesce(started_ms, :now_ms),
       tries = tries + 1, wait_reason = NULL
WHERE id = :id AND model = :model AND lane = :lane AND state = 'queued' AND due = 1
  AND (deadline_ms IS NULL OR deadline_ms > :now_ms)
RETURNING max_tokens, body, prompt_name, prompt_version, first_attempt_ms, attempts, tries, traceparent, trying_ms;

-- name: drop_call
-- A call whose job was not to be had after all: it never left.
DELETE FROM calls WHERE id = :id AND state = 'open';

-- name: renew_leases
-- All leases of this process, at once.
UPDATE jobs SET lease_until_ms = :lease_until_ms WHERE state = 'running' AND lease_owner = :owner;

-- name: settle_call
-- A call's end, with what it drew and cost. One that was given up as unknown may still be heard of.
UPDATE calls SET state = 'settled', ended_ms = :now_ms, outcome = :outcome, http_status = :http_status,
       request_id = :request_id, message_id = :message_id, cost_nanousd = :cost_nanousd,
       uncached_nanousd = :uncached_nanousd, unbatched_nanousd = :unbatched_nanousd,
       plain_nanousd = :plain_nanousd, input_tokens = :input_tokens,
       cache_write_5m_tokens = :cache_write_5m_tokens, cache_write_1h_tokens = :cache_write_1h_tokens,
       split_known = :split_known, cache_read_tokens = :cache_read_tokens, output_tokens = :output_tokens,
       thinking_tokens = :thinking_tokens, web_searches = :web_searches, web_fetches = :web_fetches,
       service_tier = :service_tier, speed = :speed, inference_geo = :inference_geo, raw_usage = :raw_usage
WHERE id = :id AND state IN ('open', 'unknown');

-- name: close_call_unknown
-- A call whose cost only the other side knows: at most what was reserved.
UPDATE calls SET state = 'unknown', ended_ms = :now_ms, outcome = :outcome, http_status = :http_status,
       request_id = :request_id
WHERE id = :id AND state = 'open';

-- name: insert_attempt
-- One try at a job and what came of it.
INSERT INTO attempts (job_id, number, call_id, outcome, used_attempt, ended_ms, cost_nanousd, error)
VALUES (:job_id, :number, :call_id, :outcome, :used_attempt, :now_ms, :cost_nanousd, :error);

-- name: charge_attempt
-- An attempt whose cost was not known when it was given up.
UPDATE attempts SET cost_nanousd = :cost_nanousd
WHERE job_id = :job_id AND number = :number AND call_id = :call_id AND cost_nanousd = 0;

-- name: charge_job
-- A job costs so much more.
UPDATE jobs SET cost_nanousd = cost_nanousd + :cost_nanousd WHERE id = :id;

-- name: finish_job
-- A running job's final state. Only the holder of the lease may write it.
UPDATE jobs SET state = :state, finished_ms = :now_ms, lease_token = NULL, lease_owner = NULL, lease_until_ms = NULL,
       attempts = attempts + :used_attempt, stop_reason = :stop_reason, error = :error, answer = :answer,
       cost_nanousd = cost_nanousd + :cost_nanousd
WHERE id = :id AND state = 'running' AND lease_token = :token;

-- name: requeue_job
-- A running job goes back to the queue: only the holder of the lease may write it. No attempt used, no retry window begun.
UPDATE jobs SET state = 'queued', not_before_ms = :not_before_ms, wait_reason = :wait_reason,
       due = CASE WHEN EXISTS (SELECT 1 FROM holds WHERE scope = 'job:' || :id) THEN 2 ELSE :due END,
       lease_token = NULL, lease_owner = NULL, lease_until_ms = NULL, attempts = attempts + :used_attempt,
       trying_ms = trying_ms + :trying_ms,
       first_attempt_ms = CASE WHEN attempts + :used_attempt > 0 THEN first_attempt_ms END,
       error = :error, cost_nanousd = cost_nanousd + :cost_nanousd
WHERE id = :id AND state = 'running' AND lease_token = :token;

-- name: wake_due_jobs
-- Waiting jobs whose time has come.
UPDATE jobs SET due = 1 WHERE id IN
  (SELECT id FROM jobs WHERE state = 'queued' AND due = 0 AND not_before_ms <= :now_ms
   ORDER BY not_before_ms LIMIT :limit)
RETURNING id, lane, workflow, model, priority, submitted_ms, deadline_ms, input_bytes, max_tokens, prefix,
          most_input_tokens, most_web_searches, terms;

-- name: next_waking
-- When the next waiting job becomes due.
SELECT min(not_before_ms) FROM jobs WHERE state = 'queued' AND due = 0;

-- name: near_deadline
-- Queued jobs whose deadline is not later than :before_ms, the earliest first.
SELECT id, lane, workflow, model, priority, submitted_ms, deadline_ms, input_bytes, max_tokens, prefix,
       most_input_tokens, most_web_searches, terms
FROM jobs WHERE state = 'queued' AND deadline_ms IS NOT NULL AND deadline_ms <= :before_ms
ORDER BY deadline_ms LIMIT :limit;

-- name: candidate
-- One job as the scheduler sees it, if it is due.
SELECT id, lane, workflow, model, priority, submitted_ms, deadline_ms, input_bytes, max_tokens, prefix,
       most_input_tokens, most_web_searches, terms
FROM jobs WHERE id = :id AND state = 'queued' AND due = 1;

-- name: ahead_in_workflow
-- The due jobs of a workflow that go before one of its jobs, by model.
SELECT model, count(*) FROM jobs INDEXED BY jobs_due
WHERE state = 'queued' AND due = 1 AND lane = :lane AND workflow = :workflow
  AND (priority > :priority OR (priority = :priority
       AND (ifnull(deadline_ms, 9223372036854775807), id) < (ifnull(:deadline_ms, 9223372036854775807), :id)))
GROUP BY model;

-- name: end_queued
-- A job that waits ends without a call: expired, or failed because it can never go.
UPDATE jobs SET state = :state, finished_ms = :now_ms, wait_reason = NULL, error = :error
WHERE id = :id AND state = 'queued'
RETURNING id, lane, workflow, model, priority, submitted_ms, deadline_ms, input_bytes, max_tokens, prefix,
          most_input_tokens, most_web_searches, terms, due;

-- name: move_job
-- A job that waits goes to another lane, or to another place in it.
UPDATE jobs SET lane = :lane, priority = :priority WHERE id = :id AND state IN ('queued', 'held')
RETURNING id, lane, workflow, model, priority, submitted_ms, deadline_ms, input_bytes, max_tokens, prefix,
          most_input_tokens, most_web_searches, terms, state = 'queued' AND due = 1;

-- name: job
-- One job without payload.
SELECT id, state, lane, workflow, model, priority, submitted_ms, not_before_ms, deadline_ms, started_ms, finished_ms,
       attempts, tries, crash_count, wait_reason, stop_reason, error, cost_nanousd, prompt_name, prompt_version,
       dedupe_key, metadata, submitted_by, asked_model, fallback_reason
FROM jobs WHERE id = :id;

-- name: list_jobs
-- Jobs, newest first.
SELECT id, state, lane, workflow, model, priority, submitted_ms, not_before_ms, deadline_ms, started_ms, finished_ms,
       attempts, tries, crash_count, wait_reason, stop_reason, error, cost_nanousd, prompt_name, prompt_version,
       dedupe_key, metadata, submitted_by, asked_model, fallback_reason
FROM jobs
WHERE id < :before_id AND (:state IS NULL OR state = :state) AND (:lane IS NULL OR lane = :lane)
  AND (:workflow IS NULL OR workflow = :workflow)
ORDER BY id DESC LIMIT :limit;

-- name: answer
-- The answer in the job's row, if it is small.
SELECT state, answer FROM jobs WHERE id = :id;

-- name: cancel_job
-- A job that is not running is cancelled at once.
UPDATE jobs SET state = 'cancelled', finished_ms = :now_ms, wait_reason = NULL, error = :error
WHERE id = :id AND state IN ('queued', 'held')
RETURNING id, lane, workflow, model, priority, submitted_ms, deadline_ms, input_bytes, max_tokens, prefix,
          most_input_tokens, most_web_searches, terms;

-- name: revive_job
-- A job that ended without success, or was parked, is queued again with a fresh retry window.
UPDATE jobs SET state = 'queued', due = 1, not_before_ms = 0, finished_ms = NULL, error = NULL, stop_reason = NULL,
       wait_reason = NULL, attempts = 0, crash_count = 0, first_attempt_ms = NULL, trying_ms = 0,
       deadline_ms = NULL
WHERE id = :id AND state IN ('failed', 'cancelled', 'expired', 'held')
RETURNING id, lane, workflow, model, priority, submitted_ms, deadline_ms, input_bytes, max_tokens, prefix,
          most_input_tokens, most_web_searches, terms;

-- name: orphans
-- Jobs that a dead process left running.
SELECT id, lease_token, tries, crash_count FROM jobs WHERE state = 'running';

-- name: requeue_orphan
-- A dead process's job: queued again, or held when it was there at too many crashes.
UPDATE jobs SET state = :state, crash_count = crash_count + 1, wait_reason = :wait_reason,
       due = CASE WHEN EXISTS (SELECT 1 FROM holds WHERE scope = 'job:' || :id) THEN 2 ELSE 1 END,
       lease_token = NULL, lease_owner = NULL, lease_until_ms = NULL
WHERE id = :id AND state = 'running';

-- name: open_calls
-- Calls that a dead process left open.
SELECT id FROM calls WHERE state = 'open';

-- name: put_hold
-- A scope may not go out.
INSERT INTO holds (scope, by_hand, cause, reason, since_ms, probe_at_ms, until_ms, set_by, probed_ms)
VALUES (:scope, :by_hand, :cause, :reason, :since_ms, :probe_at_ms, :until_ms, :set_by, :probed_ms)
ON CONFLICT (scope, by_hand) DO UPDATE SET cause = excluded.cause, reason = excluded.reason,
  since_ms = excluded.since_ms, probe_at_ms = excluded.probe_at_ms, until_ms = excluded.until_ms,
  set_by = excluded.set_by, probed_ms = excluded.probed_ms;

-- name: drop_hold
-- A scope may go out again, as far as this hold goes.
DELETE FROM holds WHERE scope = :scope AND by_hand = :by_hand;

-- name: holds
-- Every hold, the oldest first.
SELECT scope, cause, reason, since_ms, probe_at_ms, until_ms, set_by, probed_ms FROM holds ORDER BY since_ms, scope;

-- name: insert_hold_change
-- Somebody held or released something.
INSERT INTO hold_audit (at_ms, action, scope, cause, reason, who, until_ms)
VALUES (:at_ms, :action, :scope, :cause, :reason, :who, :until_ms);

-- name: hold_changes
-- Who held and released what, the newest first.
SELECT at_ms, action, scope, cause, reason, who, until_ms FROM hold_audit ORDER BY id DESC LIMIT :limit;

-- name: park_job
-- A queued job under a hold of its own is shown to nobody.
UPDATE jobs SET due = 2, wait_reason = 'it is held by hand' WHERE id = :id AND state = 'queued'
RETURNING id, lane, workflow, model, priority, submitted_ms, deadline_ms, input_bytes, max_tokens, prefix,
          most_input_tokens, most_web_searches, terms;

-- name: unpark_job
-- The hold of its own is over.
UPDATE jobs SET due = (not_before_ms <= :now_ms),
       wait_reason = CASE WHEN not_before_ms > :now_ms THEN 'not before its time' END
WHERE id = :id AND state = 'queued' AND due = 2
RETURNING id, lane, workflow, model, priority, submitted_ms, deadline_ms, input_bytes, max_tokens, prefix,
          most_input_tokens, most_web_searches, terms, due, not_before_ms;

-- name: held_jobs_at_rest
-- Holds on jobs that will not go any more, held or not.
SELECT h.scope FROM holds AS h LEFT JOIN jobs AS j ON j.id = CAST(substr(h.scope, 5) AS INTEGER)
WHERE h.scope > 'job:' AND h.scope < 'job;' AND (j.state IS NULL OR j.state NOT IN ('queued', 'running'));

-- name: due_by_flow
-- How many jobs of each flow are due: what the holds over them hold back.
SELECT lane, workflow, model, count(*) FROM jobs WHERE state = 'queued' AND due = 1 GROUP BY lane, workflow, model;

-- name: fall_back
-- Waiting jobs of a scope are for the cheaper model from now on.
UPDATE jobs SET asked_model = model, model = fallback_model, fallback_reason = :reason
WHERE id IN (SELECT id FROM jobs WHERE state = 'queued' AND fallback_model IS NOT NULL AND asked_model IS NULL
             AND (:kind = 'all' OR (:kind = 'lane' AND lane = :name) OR (:kind = 'workflow' AND workflow = :name))
             ORDER BY id LIMIT :limit)
RETURNING id, lane, workflow, model, priority, submitted_ms, deadline_ms, input_bytes, max_tokens, prefix,
          most_input_tokens, most_web_searches, terms, due, asked_model;

-- name: fall_forward
-- Waiting jobs that no scope makes fall back any more are for the model that was asked for.
UPDATE jobs SET model = asked_model, asked_model = NULL, fallback_reason = NULL
WHERE id IN (SELECT id FROM jobs WHERE state = 'queued' AND fallback_model IS NOT NULL AND asked_model IS NOT NULL
             AND lane NOT IN (SELECT value FROM json_each(:lanes))
             AND workflow NOT IN (SELECT value FROM json_each(:workflows))
             ORDER BY id LIMIT :limit)
RETURNING id, lane, workflow, model, priority, submitted_ms, deadline_ms, input_bytes, max_tokens, prefix,
          most_input_tokens, most_web_searches, terms, due, fallback_model;

-- name: insert_budget_change
-- Something happened to a budget.
INSERT INTO budget_changes (at_ms, budget, act, reason, who, limit_nanousd, until_ms, threshold, configured_nanousd)
VALUES (:at_ms, :budget, :act, :reason, :who, :limit_nanousd, :until_ms, :threshold, :configured_nanousd);

-- name: budget_changes_in_force
-- Every limit that was set, and what else happened since :since_ms, the oldest first.
SELECT at_ms, budget, act, reason, who, limit_nanousd, until_ms, threshold, configured_nanousd FROM budget_changes
WHERE act = 'set' OR at_ms >= :since_ms ORDER BY id;

-- name: budget_changes
-- What happened to budgets, the newest first.
SELECT at_ms, budget, act, reason, who, limit_nanousd, until_ms, threshold, configured_nanousd FROM budget_changes
ORDER BY id DESC LIMIT :limit;

-- name: cost_by_hour
-- What each lane and workflow cost in each hour since :since_ms.
SELECT hour_ms, lane, workflow, sum(cost_nanousd) FROM usage_hours WHERE hour_ms >= :since_ms
GROUP BY hour_ms, lane, workflow;

-- name: put_memory
-- Something learned.
INSERT INTO memory (name, value, saved_ms) VALUES (:name, :value, :now_ms)
ON CONFLICT (name) DO UPDATE SET value = excluded.value, saved_ms = excluded.saved_ms;

-- name: memory
-- Everything learned.
SELECT name, value FROM memory;

-- name: queue_by_lane
-- How many jobs wait in each lane, and the oldest of them.
SELECT q.lane, q.n, j.submitted_ms
FROM (SELECT lane, count(*) AS n, min(id) AS oldest FROM jobs WHERE state = 'queued' GROUP BY lane) AS q
JOIN jobs AS j ON j.id = q.oldest;

-- name: running_by_lane
-- How many jobs run in each lane.
SELECT lane, count(*) FROM jobs WHERE state = 'running' GROUP BY lane;

-- name: settled_spend
-- Everything in the books.
SELECT coalesce(sum(cost_nanousd), 0), coalesce(sum(uncached_nanousd), 0), count(*) FROM calls WHERE state = 'settled';

-- name: spent_by_day
-- What each lane's workflows spent on calls opened since :since_ms, by day (UTC): settled, and unknown at worst.
SELECT hour_ms - hour_ms % 86400000, lane, workflow, sum(cost_nanousd), sum(unknown_bound_nanousd)
FROM usage_hours WHERE hour_ms >= :since_ms GROUP BY 1, 2, 3;

-- name: unknown_spend
-- Calls whose cost is not known: how many, and at most how much.
SELECT count(*), coalesce(sum(reserved_nanousd), 0) FROM calls WHERE state = 'unknown';

-- name: recent_cache_readings
-- What the last settled calls read from the cache and wrote into it, the newest first.
SELECT workflow, prompt_name, prompt_version, prefix,
       input_tokens + cache_write_5m_tokens + cache_write_1h_tokens + cache_read_tokens, cache_read_tokens, opened_ms,
       cache_write_5m_tokens + cache_write_1h_tokens
FROM (SELECT * FROM calls WHERE state = 'settled' ORDER BY id DESC LIMIT :limit);

-- name: waiting_prefixes
-- Tools and systems (first parts of prefixes) with which enough of a lane's jobs are due.
SELECT model, substr(prefix, 1, instr(prefix || '/', '/') - 1) AS first, count(*), min(id)
FROM jobs
WHERE state = 'queued' AND due = 1 AND lane = :lane AND prefix IS NOT NULL
  AND instr(prefix, ':') NOT BETWEEN 1 AND instr(prefix || '/', '/')
GROUP BY model, first HAVING count(*) >= :least_jobs ORDER BY count(*) DESC, model, first;

-- name: open_prewarm
-- The call that writes the prefix of a job that waits, written before it leaves. It is no try at the job.
INSERT INTO calls (kind, pool, model, lane, workflow, prompt_name, prompt_version, prefix, owner, opened_ms, reserved_nanousd)
SELECT 'prewarm', :pool, model, lane, workflow, prompt_name, prompt_version, :prefix, :owner, :now_ms, :reserved_nanousd
FROM jobs WHERE id = :job_id AND state = 'queued'
RETURNING id;

-- name: prewarm_source
-- What the request of a job that waits is made of.
SELECT body, prompt_name, prompt_version FROM jobs WHERE id = :id;

-- name: job_attempts
-- A job's tries, the first one first.
SELECT a.number, a.call_id, a.outcome, a.used_attempt, a.ended_ms, a.cost_nanousd, json_extract(a.error, '$.type'), c.state,
       c.reserved_nanousd, c.http_status, c.request_id, c.input_tokens,
       c.cache_write_5m_tokens + c.cache_write_1h_tokens, c.cache_read_tokens, c.output_tokens
FROM attempts AS a JOIN calls AS c ON c.id = a.call_id WHERE a.job_id = :job_id ORDER BY a.number;

-- name: usage_by_day
-- What was settled in each day of a window in whole hours, by model and tier.
SELECT hour_ms - hour_ms % 86400000 AS day_ms, model, service_tier, sum(input_tokens), sum(cache_write_5m_tokens),
       sum(cache_write_1h_tokens), sum(cache_read_tokens), sum(output_tokens), sum(web_searches), sum(cost_nanousd)
FROM usage_hours WHERE hour_ms >= :since_ms AND hour_ms < :until_ms
GROUP BY day_ms, model, service_tier HAVING sum(calls) > 0;

-- name: loose_calls
-- Calls of a window whose cost is not known, or that ran (give or take :skew_ms) over a bound of a day or of the window.
SELECT model, service_tier, opened_ms, ended_ms, state, reserved_nanousd, input_tokens, cache_write_5m_tokens,
       cache_write_1h_tokens, cache_read_tokens, output_tokens, web_searches, cost_nanousd
FROM calls
WHERE id >= :first_id AND opened_ms >= :earliest_ms AND opened_ms < :until_ms + :skew_ms
  AND (state <> 'settled'
       OR (opened_ms - :skew_ms) / :day_ms <> (ended_ms + :skew_ms) / :day_ms
       OR (opened_ms - :skew_ms < :since_ms AND ended_ms + :skew_ms >= :since_ms)
       OR (opened_ms - :skew_ms < :until_ms AND ended_ms + :skew_ms >= :until_ms));

-- name: first_call_from
-- The first call with this id or a later one, and when it was opened.
SELECT id, opened_ms FROM calls WHERE id >= :id ORDER BY id LIMIT 1;

-- name: last_call_id
-- The last call's id.
SELECT coalesce(max(id), 0) FROM calls;

-- name: waiting_fast_by_model
-- How many jobs of each model wait or run that ask for fast mode. Terms: bit 1 is domain.usage.Terms.FAST.
SELECT model, count(*) FROM jobs WHERE state IN ('queued', 'running') AND terms & 1 GROUP BY model;

-- name: waiting_by_model
-- How many jobs of each model wait or run.
SELECT model, sum(n) FROM (SELECT model, count(*) AS n FROM jobs WHERE state = 'queued' GROUP BY model
  UNION ALL SELECT model, count(*) FROM jobs WHERE state = 'running' GROUP BY model) GROUP BY model;
