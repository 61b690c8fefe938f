-- name: put_webhook
-- Make a webhook, or change one that is the caller's: any ($8), or one of the consumer's for a purpose of $9.
-- Its secret stays. Says whether it was made; no row when it is another's.
INSERT INTO ledger.webhook AS w (controller_id, webhook_id, purpose, consumer, audiences, url, secret)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (controller_id, webhook_id) DO UPDATE
    SET
        purpose = excluded.purpose,
        consumer = excluded.consumer,
        audiences = excluded.audiences,
        url = excluded.url,
        gone = FALSE
    WHERE $8::boolean OR (w.consumer = excluded.consumer AND w.purpose = any($9::text[]))
RETURNING w.secret = $7 AS made;

-- name: webhook
SELECT
    w.webhook_id,
    w.purpose,
    w.consumer,
    w.audiences,
    w.url,
    w.secret,
    w.former,
    w.former_until,
    w.gone
FROM ledger.webhook AS w
WHERE
    w.controller_id = $1
    AND w.webhook_id = $2;

-- name: rotate_secret
-- Sign with another secret from now on, and with the former one too until $4; of former ones the newest stay.
UPDATE ledger.webhook
SET
    former = (array_prepend(secret, former))[1:4],
    former_until = (array_prepend($4::bigint, former_until))[1:4],
    secret = $3
WHERE
    controller_id = $1
    AND webhook_id = $2;

-- name: delete_webhook
DELETE FROM ledger.webhook
WHERE
    controller_id = $1
    AND webhook_id = $2;

-- name: delete_pings_of
DELETE FROM ledger.ping
WHERE
    controller_id = $1
    AND webhook_id = $2;

-- name: pings_waiting
-- How much is still to be said to a webhook.
SELECT count(*) AS waiting
FROM ledger.ping AS p
WHERE
    p.controller_id = $1
    AND p.webhook_id = $2
    AND NOT p.dead;

-- name: dead_letters
-- What could not be said to a webhook, oldest first, at most $3.
SELECT
    p.ping_id,
    p.audience_id,
    p.at,
    p.tries,
    p.status
FROM ledger.ping AS p
WHERE
    p.controller_id = $1
    AND p.webhook_id = $2
    AND p.dead
ORDER BY p.at, p.ping_id
LIMIT $3;

-- name: replay_pings
-- Send again what could not be said: these ($3), or all of them (null).
UPDATE ledger.ping
SET
    dead = FALSE,
    tries = 1,
    due = $4
WHERE
    controller_id = $1
    AND webhook_id = $2
    AND dead
    AND ($3::text[] IS NULL OR ping_id = any($3::text[]))
RETURNING ping_id;

-- name: ping
-- Say to whoever listens that an audience changed for a purpose and a consumer. A ping that waits tells of
-- this change too: held until the change is stored, so that it cannot leave before.
INSERT INTO ledger.ping (controller_id, ping_id, webhook_id, audience_id, at, due)
SELECT
    w.controller_id,
    'msg_' || replace(gen_random_uuid()::text, '-', '') AS ping_id,
    w.webhook_id,
    $4,
    $5,
    $5
FROM ledger.webhook AS w
WHERE
    w.controller_id = $1
    AND w.purpose = $2
    AND w.consumer = $3
    AND $4 = any(w.audiences)
    AND NOT w.gone
ON CONFLICT (controller_id, webhook_id, audience_id) WHERE tries = 0 AND NOT dead DO UPDATE
    SET at = excluded.at;

-- name: controllers_due
-- Which controllers have something to say at $1.
SELECT DISTINCT p.controller_id
FROM ledger.ping AS p
WHERE
    NOT p.dead
    AND p.due <= $1
ORDER BY p.controller_id;

-- name: claim_pings
-- Take what is due at $2, at most $4; whoever takes it and dies leaves it due again at $3.
UPDATE ledger.ping AS p
SET
    tries = p.tries + 1,
    due = $3
FROM (
    SELECT d.ping_id
    FROM ledger.ping AS d
    WHERE
        d.controller_id = $1
        AND NOT d.dead
        AND d.due <= $2
    ORDER BY d.due
    LIMIT $4
    FOR UPDATE SKIP LOCKED
) AS n
WHERE
    p.controller_id = $1
    AND p.ping_id = n.ping_id
RETURNING p.controller_id, p.ping_id, p.webhook_id, p.audience_id, p.at, p.tries;

-- name: delete_ping
DELETE FROM ledger.ping
WHERE
    controller_id = $1
    AND ping_id = $2;

-- name: put_ping_off
UPDATE ledger.ping
SET
    due = $3,
    status = $4,
    dead = $5
WHERE
    controller_id = $1
    AND ping_id = $2;

-- name: drop_ping_told_by_another
-- Drop a ping where another of its kind, tried as often, waits too: it tells of all this one does, no later
-- than $3. One due by $4 may be under way, and its receiver may have looked before this one's change.
DELETE FROM ledger.ping AS p
WHERE
    p.controller_id = $1
    AND p.ping_id = $2
    AND EXISTS (
        SELECT 1
        FROM ledger.ping AS o
        WHERE
            o.controller_id = p.controller_id
            AND o.webhook_id = p.webhook_id
            AND o.audience_id = p.audience_id
            AND o.tries = p.tries
            AND NOT o.dead
            AND o.ping_id <> p.ping_id
            AND o.due > $4
            AND o.due <= $3
    )
RETURNING p.ping_id;

-- name: webhook_is_gone
UPDATE ledger.webhook
SET gone = TRUE
WHERE
    controller_id = $1
    AND webhook_id = $2;
