-- An identifier between two people stays shared when one of them is erased: a denied pair of it with itself.

ALTER TABLE projection.denied_link DROP CONSTRAINT denied_link_check;
ALTER TABLE projection.denied_link ADD CONSTRAINT denied_link_check CHECK (low_id <= high_id);
