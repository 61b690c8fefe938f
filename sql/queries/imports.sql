-- name: begin_import
-- Begin to import a file. One that was begun before keeps its mapping, unless no record of it is settled yet.
INSERT INTO ledger.import_progress (controller_id, file_digest, mapping_digest, next_record)
VALUES ($1, $2, $3, 0)
ON CONFLICT (controller_id, file_digest) DO UPDATE
    SET mapping_digest = excluded.mapping_digest
    WHERE ledger.import_progress.next_record = 0;

-- name: progress
-- The first record of a file that is not durable yet, and the mapping that numbers its records.
SELECT
    p.mapping_digest,
    p.next_record
FROM ledger.import_progress AS p
WHERE
    p.controller_id = $1
    AND p.file_digest = $2;

-- name: move_progress
-- Records from $3 to before $4 are settled. Nothing moves while one before them is not.
UPDATE ledger.import_progress
SET next_record = $4
WHERE
    controller_id = $1
    AND file_digest = $2
    AND next_record >= $3
    AND next_record < $4;
