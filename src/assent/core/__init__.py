"""Words every other package speaks: errors, ids, time and the policy's structs.

Pure: no I/O, no clock, no randomness.
"""
