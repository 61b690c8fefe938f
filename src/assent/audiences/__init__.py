"""Rules over what the gate released: their shape, their check, their truth for one profile and for all.

Pure but for the engine's memory. A rule names no consent; the question names one purpose.
"""
