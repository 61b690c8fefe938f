"""Evidence in, clusters out: normalised identifiers, one resolution, and the views that are cut from it.

Everything but `store` is pure.
"""
