-- Without statistics PostgreSQL takes every condition for a rare one, and compares every permit with every
-- cluster before it looks for the one profile asked about. Autovacuum looks once a minute, which is late.
-- The writer may ask for statistics, and for nothing else that the owner may do.

CREATE FUNCTION ledger.refresh_statistics() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
BEGIN
    ANALYZE ledger.head, ledger.purpose_head, ledger.message, ledger.content, ledger.change, ledger.release;
    ANALYZE projection.purpose, projection.identifier, projection.link, projection.denied_link;
    ANALYZE projection.cluster, projection.statement, projection.permit;
    ANALYZE projection.feature_state, projection.feature_item;
END;
$$;

REVOKE ALL ON FUNCTION ledger.refresh_statistics() FROM public;
GRANT EXECUTE ON FUNCTION ledger.refresh_statistics() TO assent_writer;
