"""PostgreSQL: where it runs, its roles, its schema's versions, its connections and its statements."""
