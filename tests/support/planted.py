"""Faults laid over the product's code, by name: each breaks one guarantee."""

from collections.abc import Callable, Mapping

FAULTS: Mapping[str, Callable[[], None]] = {}
