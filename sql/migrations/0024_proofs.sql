-- Which sources prove a link, by number, and what each saw where there are several (identity/proofs.py).
ALTER TABLE projection.link ADD COLUMN sources bytea NOT NULL DEFAULT '\x0000000000000000';
