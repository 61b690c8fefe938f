-- Who became one of those of whom nothing is said any more is found without reading a whole feed; and feeds,
-- which grow as fast as what they tell of, have statistics as soon.
CREATE INDEX feed_change_into ON ledger.feed_change (controller_id, feed_id, into_subject)
WHERE into_subject IS NOT NULL;

CREATE OR REPLACE FUNCTION ledger.refresh_statistics() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
BEGIN
    ANALYZE ledger.head, ledger.purpose_head, ledger.message, ledger.content, ledger.change, ledger.release;
    ANALYZE ledger.feed, ledger.feed_subject, ledger.feed_change;
    ANALYZE projection.purpose, projection.identifier, projection.link, projection.denied_link;
    ANALYZE projection.cluster, projection.statement, projection.permit;
    ANALYZE projection.feature_state, projection.feature_item;
END;
$$;
