"""From what clients and files send to facts: the tracking contract, imports, the committer."""
