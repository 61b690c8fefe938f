-- The former secrets of a webhook, the newest first, and until when each signs too. Whoever makes another one
-- twice in a day, since the first answer was lost, must not cut off a receiver that knows the one before.
ALTER TABLE ledger.webhook ALTER COLUMN former_until DROP DEFAULT;
ALTER TABLE ledger.webhook
ALTER COLUMN former TYPE bytea[] USING array_remove(ARRAY[former], NULL),
ALTER COLUMN former_until TYPE bigint[]
USING CASE WHEN former IS NULL THEN ARRAY[]::bigint[] ELSE ARRAY[former_until] END;
ALTER TABLE ledger.webhook
ALTER COLUMN former SET DEFAULT '{}',
ALTER COLUMN former SET NOT NULL,
ALTER COLUMN former_until SET DEFAULT '{}';
