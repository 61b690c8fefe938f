"""What events and traits become: exact, mergeable values, one catalogue of features.

Everything but `store` is pure. Only the gate may import `features.store`.
"""
