"""What a GPP string states: its European section like a TC string, opt-outs of American ones as objections.

An opt-out of sale, of sharing or of targeted advertising, and the browser's privacy control inside a section,
object to the purposes that `[gpp]` of signals.toml names; not opting out says nothing. The Canadian section,
and consents of American ones, are mapped to nothing.

Pure. Raises nothing.
"""

from collections.abc import Iterator
from typing import Final

from assent.consent.carriers.carried import Carried, objection
from assent.consent.carriers.gpp import GppString
from assent.consent.carriers.tcf_statements import tcf_statements
from assent.core.carried import GppTerms
from assent.core.ids import PurposeId
from assent.core.policy import Policy
from assent.core.time import Instant

OPTED_OUT: Final = 1

CARRIER: Final = "gpp"


def gpp_statements(said: GppString, text: str, policy: Policy, *, now: Instant) -> tuple[Carried, ...]:
    """Return what the string states: the European section first, then objections, each purpose once."""
    found: list[Carried] = []
    if said.tcf_eu is not None:
        found += tcf_statements(said.tcf_eu, text, policy, now=now, carrier=CARRIER)
    if policy.gpp is not None:
        objected = sorted(set(_objected(said, policy.gpp)))
        found += [objection(policy.purposes[number], CARRIER, text) for number in objected]
    return tuple(found)


def _objected(said: GppString, terms: GppTerms) -> Iterator[PurposeId]:
    for section in said.united_states.values():
        if section.get("SaleOptOut") == OPTED_OUT or section.get("OptOutSale") == "Y":
            yield from terms.sale
        if section.get("SharingOptOut") == OPTED_OUT:
            yield from terms.sharing
        if section.get("TargetedAdvertisingOptOut") == OPTED_OUT:
            yield from terms.targeted_advertising
        if section.get("Gpc") is True:
            yield from terms.gpc
