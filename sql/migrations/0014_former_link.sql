-- Links that were undone, with the time in which they stood: for questions about that time alone. What is
-- linked now is not asked of them.
CREATE TABLE projection.former_link (
    controller_id bigint NOT NULL,
    low_id bigint NOT NULL,
    high_id bigint NOT NULL,
    kind smallint NOT NULL,
    first_at bigint NOT NULL,
    last_at bigint NOT NULL,
    first_entry bigint NOT NULL,
    last_entry bigint NOT NULL,
    weight integer NOT NULL,
    -- When it was undone, and by which entry.
    until bigint NOT NULL,
    undone_by bigint NOT NULL,
    PRIMARY KEY (controller_id, low_id, high_id, kind, undone_by),
    CHECK (low_id < high_id)
);
CREATE INDEX former_link_high ON projection.former_link (controller_id, high_id);

GRANT SELECT, INSERT, UPDATE, DELETE ON projection.former_link TO assent_writer;
GRANT SELECT ON projection.former_link TO assent_auditor;
GRANT SELECT, DELETE ON projection.former_link TO assent_eraser;
