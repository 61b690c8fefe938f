-- name: try_changing_audiences
-- Whether this transaction is now the only one that changes audiences of a controller.
SELECT pg_try_advisory_xact_lock(hashtextextended('assent/audiences', $1)) AS alone;

-- name: newest_audiences
-- The newest version of every audience of a controller; without a rule it is deleted.
SELECT DISTINCT ON (a.audience_id)
    a.audience_id,
    a.version,
    a.title,
    a.purposes,
    a.rule,
    a.holdout,
    a.goals
FROM audience AS a
WHERE a.controller_id = $1
ORDER BY a.audience_id ASC, a.version DESC;

-- name: audience_saved
-- Which version of an audience an entry saved.
SELECT a.version
FROM audience AS a
WHERE
    a.controller_id = $1
    AND a.audience_id = $2
    AND a.entry_index = $3;

-- name: audience_version
-- One version of an audience; without a rule it deletes the audience.
SELECT
    a.audience_id,
    a.version,
    a.title,
    a.purposes,
    a.rule,
    a.holdout,
    a.goals
FROM audience AS a
WHERE
    a.controller_id = $1
    AND a.audience_id = $2
    AND a.version = $3;
