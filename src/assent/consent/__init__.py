"""What people said, what follows from it, and until when.

`statement` is the door, `decide` answers one question, `permit` says the same for every instant from now on.
Those are pure; only `store` reads and writes.
"""
