"""Assent: consent and identity resolution that lets nothing through without a reason."""
