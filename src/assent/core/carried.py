"""What a policy lets signals and carriers of others say: browsers, consent platforms, TC strings, GPP.

Frozen structs without behaviour; `core/document_signals.py` and `core/document_carriers.py` make them.
"""

from collections.abc import Mapping

from msgspec import Struct

from assent.core.ids import PurposeId


class Signal(Struct, frozen=True, kw_only=True):
    """A machine signal such as `Sec-GPC`: exactly `value` states `state` for `purposes`. It only narrows."""

    value: str
    state: str
    purposes: tuple[PurposeId, ...]


class ConsentMode(Struct, frozen=True, kw_only=True):
    """Google's consent mode: the purposes that each of its types closes unless granted. It only narrows."""

    source: str
    """The path in a call where it stands."""
    state: str
    purposes: Mapping[str, tuple[PurposeId, ...]]


class CarriedChoice(Struct, frozen=True, kw_only=True):
    """What a category of a consent platform means. Without `notice` and `mechanism` it can only narrow."""

    purpose: PurposeId
    notice: int | None = None
    """The version of the purpose's notice that the platform shows."""
    mechanism: str = ""
    """The affirmative act by which the platform asks (Art. 4(11)): the controller answers for it."""


class CategoryPreferences(Struct, frozen=True, kw_only=True):
    """Segment's consent object: a person's choices of a consent platform's categories, true or false."""

    source: str
    """The path in a call where it stands."""
    event: str
    """The event that says that the person has just chosen."""
    categories: Mapping[str, CarriedChoice]


class TcfTerms(Struct, frozen=True, kw_only=True):
    """What a TC string may give: `policies/README.md` tells the keys."""

    notices: Mapping[PurposeId, int]
    """The version of each purpose's notice that the platform shows; no others are spoken for."""
    min_policy_version: int
    require_service_specific: bool
    vendor: int | None = None
    cmps: frozenset[int] = frozenset()


class GppTerms(Struct, frozen=True, kw_only=True):
    """The purposes that each opt-out of the sections of the United States objects to."""

    sale: tuple[PurposeId, ...] = ()
    sharing: tuple[PurposeId, ...] = ()
    targeted_advertising: tuple[PurposeId, ...] = ()
    gpc: tuple[PurposeId, ...] = ()
