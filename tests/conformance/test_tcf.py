"""tcf.json: what a transparency and consent string says."""

from tests.conformance.carriers import TCF as SUITE
from tests.conformance.carriers import ask
from tests.conformance.host import Host
from tests.conformance.rows import Row, settle


def test_a_string_says_what_it_says_or_is_refused(row: Row, host: Host) -> None:
    settle(row, ask(row, host))


__all__ = ["SUITE"]
