"""Mappings whose lines are events or statements: what most tests of imports are about."""

from pathlib import Path

from assent.ingest.mapping import ImportMapping, parse_mapping
from assent.ingest.records import read_mapping


def parse_events(text: str, *, name: str) -> ImportMapping:
    mapping = parse_mapping(text, name=name)
    assert isinstance(mapping, ImportMapping)
    return mapping


def read_events(path: Path) -> ImportMapping:
    mapping = read_mapping(path)
    assert isinstance(mapping, ImportMapping)
    return mapping
