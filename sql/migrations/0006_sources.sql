-- What a collector's key declares of all that comes through it, and how much came through each source.

ALTER TABLE ledger.api_key
ADD COLUMN source text NOT NULL DEFAULT '',
ADD COLUMN channel text NOT NULL DEFAULT '';

-- What was taken: counts per source, day of receipt and lateness, and nothing else. Beside ledger.refusal.
CREATE TABLE ledger.intake (
    controller_id bigint NOT NULL,
    source text NOT NULL,
    day integer NOT NULL,
    -- Seconds that passed between event and receipt, at most; 0: more than the longest that is told apart.
    within_s integer NOT NULL,
    accepted bigint NOT NULL,
    -- Sent again after they had been taken.
    repeated bigint NOT NULL,
    PRIMARY KEY (controller_id, source, day, within_s)
) WITH (fillfactor = 80);

GRANT SELECT ON ledger.intake TO assent_writer, assent_auditor;
GRANT INSERT, UPDATE ON ledger.intake TO assent_writer;
