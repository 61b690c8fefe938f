"""One file per resource: parse, ask, answer. Nothing is decided here."""
