-- name: begin_import
-- Begin to import a file, or do nothing when it was begun before.
INSERT INTO ledger.import_progress (controller_id, file_digest, mapping_digest, next_record)
VALUES ($1, $2, $3, 0)
ON CONFLICT (controller_id, file_digest) DO NOTHING;

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
