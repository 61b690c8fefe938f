-- How sure a model was of a link that it proposed, in millionths; 0 for every other kind of link.

ALTER TABLE projection.link ADD COLUMN weight integer NOT NULL DEFAULT 0 CHECK (weight BETWEEN 0 AND 1000000);
