"""The ledger: entries, their Merkle tree, signed checkpoints, proofs, and the key ring beside it.

`tree`, `tiles`, `note`, `checkpoint`, `proof`, `entries` and `verify` are pure. `keyring` and `witness` read
and write files outside the database, and nothing else.
"""
