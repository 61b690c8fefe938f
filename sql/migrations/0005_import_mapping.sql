-- Records are numbered by a mapping, so a file begun under one is never continued under another.

ALTER TABLE ledger.import_progress ADD COLUMN mapping_digest bytea NOT NULL;
