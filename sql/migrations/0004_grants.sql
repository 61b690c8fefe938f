-- Who may touch what. The reader sees the gate and nothing else.

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA gate FROM public;

GRANT USAGE ON SCHEMA gate TO assent_reader;
GRANT SELECT ON gate.released TO assent_reader;
GRANT EXECUTE ON FUNCTION gate.setting(text) TO assent_reader, assent_writer, assent_auditor;
GRANT EXECUTE ON FUNCTION gate.opened(smallint[], bytea[]) TO assent_reader;
GRANT EXECUTE ON FUNCTION gate.subjects(bigint[]) TO assent_reader;
GRANT EXECUTE ON FUNCTION gate.position() TO assent_reader;
GRANT EXECUTE ON FUNCTION gate.changes(bigint) TO assent_reader;
GRANT EXECUTE ON FUNCTION gate.record(text[], text[], text[], bigint[], bytea[], bytea[]) TO assent_reader;

GRANT USAGE ON SCHEMA ledger, projection TO assent_writer, assent_auditor, assent_eraser;

GRANT SELECT ON ALL TABLES IN SCHEMA ledger, projection TO assent_writer, assent_auditor;
GRANT INSERT ON ALL TABLES IN SCHEMA ledger, projection TO assent_writer;
GRANT UPDATE, DELETE ON ALL TABLES IN SCHEMA projection TO assent_writer;

-- Entries, tiles, batches and releases are never changed; content loses a purpose or goes, on withdrawal.
GRANT UPDATE ON
ledger.head,
ledger.release_head,
ledger.purpose_head,
ledger.refusal,
ledger.import_progress,
ledger.idempotency
TO assent_writer;
GRANT UPDATE (leaf_index) ON ledger.release TO assent_writer;
GRANT UPDATE (revoked_at) ON ledger.api_key TO assent_writer;
GRANT UPDATE (basis), DELETE ON ledger.content TO assent_writer;
-- A message that comes again after its window is taken again: its row is renewed.
GRANT UPDATE (seen_at, entry_index) ON ledger.message TO assent_writer;
GRANT DELETE ON ledger.message, ledger.idempotency, ledger.change TO assent_writer;

-- Erasure removes rows and keys; it never inserts and never touches an entry.
GRANT SELECT, DELETE ON ledger.payload, ledger.content TO assent_eraser;
GRANT SELECT, UPDATE, DELETE ON ALL TABLES IN SCHEMA projection TO assent_eraser;
GRANT SELECT, UPDATE ON ledger.head, ledger.purpose_head TO assent_eraser;
GRANT SELECT, INSERT ON ledger.change TO assent_eraser;
