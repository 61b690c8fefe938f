-- A preparation says how many identifiers it is about, how far it has come, and when it came further last.
-- One that nobody goes on with is ended, so that commits do not note for ever whom they changed.

ALTER TABLE ledger.preparation
ADD COLUMN identifiers bigint NOT NULL DEFAULT 0,
ADD COLUMN done bigint NOT NULL DEFAULT 0,
ADD COLUMN moved_at bigint NOT NULL DEFAULT 0;

GRANT UPDATE (preparing) ON ledger.head TO assent_eraser;
