"""Assent: consent and identity resolution that enforces what people agreed to."""
