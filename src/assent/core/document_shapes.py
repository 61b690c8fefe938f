"""What each document of `policies/` may say, field by field: the reference of the file formats.

Only shapes: `core/documents.py` makes a `Policy` from them and checks what one key promises to another.
Unknown keys are refused everywhere, and nothing that decides about people has a default: legal basis,
categories and links must be written down.
"""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from assent.core.document_carriers import GppShape, TcfShape
from assent.core.policy import Aggregate, ConflictRule, IdentifierKind, LegalBasis, ValueType

NAME = r"^[A-Za-z][A-Za-z0-9_.:-]{0,63}\Z"
"""Purposes, categories, features, namespaces and notices are named like this; no name is `*`."""

Name = Annotated[str, Meta(pattern=NAME, extra={"expected": "a name"})]
Word = Annotated[str, Meta(min_length=1, max_length=200, extra={"expected": "text of up to 200 characters"})]
Prose = Annotated[
    str, Meta(min_length=1, max_length=8000, extra={"expected": "text of up to 8000 characters"})
]
Path = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9_$-]{1,64}(\.[A-Za-z0-9_$-]{1,64}){0,7}\Z",
        extra={"expected": "a path such as context.traits.email"},
    ),
]
Span = Annotated[str, Meta(max_length=40, extra={"expected": "an ISO 8601 duration such as P30D"})]
Moment = Annotated[
    datetime, Meta(tz=True, extra={"expected": "a time with its offset, such as 2026-03-01T00:00:00Z"})
]
Reference = Annotated[str, Meta(max_length=64, extra={"expected": "a declared name"})]
Country = Annotated[str, Meta(pattern=r"^[A-Z]{2}\Z", extra={"expected": "a country such as IT"})]
Blocked = Annotated[str, Meta(max_length=512, extra={"expected": "text of up to 512 characters"})]
Small = Annotated[int, Meta(ge=1, le=100_000)]
LANGUAGE = r"[a-z]{2,3}(?:-[A-Z]{2})?"
"""A language of a text: `it`, or `pt-BR`."""
Language = Annotated[str, Meta(pattern=rf"^{LANGUAGE}\Z", extra={"expected": "a language such as it"})]
ConsentType = Literal[
    "ad_storage",
    "analytics_storage",
    "ad_user_data",
    "ad_personalization",
    "functionality_storage",
    "personalization_storage",
    "security_storage",
]
LinkWord = Literal["observed", "claimed", "asserted", "probable"]
Normaliser = Literal["exact", "lower", "email", "email_uid2", "phone", "e164_strict"]


class LinksShape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which links a purpose may use, and whether a person must have agreed to being linked."""

    kinds: tuple[LinkWord, ...]
    agreement: bool


class NoticeChangeShape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From `t` on, this version of the notice is in force; a material one asks everybody again."""

    version: Small
    t: Moment
    material: bool


class BasisChangeShape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From `t` on, the purpose rests on this legal basis."""

    t: Moment
    legal_basis: LegalBasis
    lia: bool = False


class PurposeShape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[purposes.<name>]` of purposes.toml; the meaning of each key is told in `core.policy.Purpose`."""

    title: Word
    legal_basis: LegalBasis
    categories: tuple[Reference, ...]
    """`["*"]` is every declared category that is neither special nor profiling: those are named."""
    links: LinksShape
    text: Annotated[str, Meta(max_length=8000)] = ""
    notice: Name | None = None
    notice_changes: tuple[NoticeChangeShape, ...] = ()
    validity: Span | None = None
    opened_by: tuple[IdentifierKind, ...] = (IdentifierKind.PERSON,)
    retroactive: tuple[Reference, ...] = ()
    k: Small = 10
    parent: Reference | None = None
    declared: Moment | None = None
    basis_changes: tuple[BasisChangeShape, ...] = ()
    requires_all: tuple[Reference, ...] = ()
    double_opt_in: bool = False
    digital_age: Annotated[int, Meta(ge=13, le=16)] | None = None  # GDPR Art. 8(1): 16, or down to 13 by law
    automated_significant: bool = False
    profiling: bool = False
    direct_marketing: bool = False
    compelling_grounds: bool = False
    lia: bool = False
    imbalance: bool = False
    give_channels: tuple[Word, ...] = ()
    withdraw_channels: tuple[Word, ...] = ()
    tcf_purpose: Annotated[int, Meta(ge=1, le=24)] | None = None
    # The Italian authority's guidelines on cookies (10 June 2021) and the French one's (17 September 2020).
    ask_again_after: Span = "P6M"
    erase_within: Span = "P1D"
    exports: tuple[Reference, ...] = ()
    gains_basis: Prose | None = None


class ControllerShape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """controller.toml: who is responsible, as every record and receipt of a consent says."""

    format: Literal["assent/controller@1"]
    name: Word
    address: Word
    contact: Word
    jurisdictions: tuple[Country, ...]
    storage: tuple[Country, ...]
    recipients: tuple[Word, ...] = ()
    preferences: Annotated[str, Meta(max_length=2000)] = ""
    authority: Annotated[str, Meta(max_length=200)] = ""


class RetainedShape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[retained.<category>]` of purposes.toml: what erasure leaves, restricted, and for how long."""

    ground: Literal["17(3)(a)", "17(3)(b)", "17(3)(c)", "17(3)(d)", "17(3)(e)"]
    title: Word
    period: Span


class PurposesShape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """purposes.toml."""

    format: Literal["assent/purposes@1"]
    purposes: dict[str, object]
    retained: dict[str, object] = field(default_factory=dict)


class CategoryShape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[categories.<name>]` of features.toml."""

    events: tuple[Word, ...] = ()
    traits: tuple[Word, ...] = ()
    accounts: tuple[Reference, ...] = ()
    context: tuple[Path, ...] = ()
    special: bool = False
    profiling: bool = False
    also: tuple[Reference, ...] = ()
    retention: Span | None = None
    titles: dict[Language, Word] = field(default_factory=dict)


class ModelShape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What computed a trait elsewhere."""

    name: Word
    version: Word


class FeatureShape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[features.<name>]` of features.toml: a trait, or an aggregate of one event or of a context field.

    With `account` the trait is that of an account of this family.
    """

    category: Reference | None = None
    type: ValueType | None = None
    trait: Word | None = None
    account: Reference | None = None
    aggregate: Aggregate | None = None
    event: Word | None = None
    path: Path | None = None
    window: Span | None = None
    less: Word | None = None
    size: Annotated[int, Meta(ge=1, le=20)] | None = None
    decimals: Annotated[int, Meta(ge=0, le=2)] | None = None
    removed: Word | None = None
    amount: Path | None = None
    cleared: Reference | None = None
    model: ModelShape | None = None


class FeaturesShape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """features.toml."""

    format: Literal["assent/features@1"]
    categories: dict[str, object]
    features: dict[str, object] = field(default_factory=dict)


class LimitShape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many values first seen within any such period one profile may hold."""

    count: Small
    period: Span


class NamespaceShape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[namespaces.<name>]` of identity.toml."""

    kind: IdentifierKind
    priority: Small
    unique: bool = False
    limit: Small | LimitShape | None = None
    sources: tuple[Path, ...] = field(name="from", default=())
    normaliser: Normaliser = "exact"
    region: Country | None = None
    blocked: tuple[Blocked, ...] = ()
    blocked_patterns: tuple[Blocked, ...] = ()
    lifetime: Span | None = None


class AccountShape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[accounts.<name>]` of identity.toml: where calls name an account that people belong to."""

    sources: tuple[Path, ...] = field(name="from")
    normaliser: Normaliser = "exact"
    region: Country | None = None
    blocked: tuple[Blocked, ...] = ()
    blocked_patterns: tuple[Blocked, ...] = ()


class IdentityShape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """identity.toml; `blocked` and `blocked_patterns` at the top hold for every namespace."""

    format: Literal["assent/identity@1"]
    namespaces: dict[str, object]
    accounts: dict[str, object] = field(default_factory=dict)
    conflict: ConflictRule = ConflictRule.AMBIGUOUS
    identifiers_per_profile: Annotated[int, Meta(ge=2, le=10_000)] = 100
    links_per_identifier: Annotated[int, Meta(ge=1, le=10_000)] = 200
    probable_threshold: Annotated[float, Meta(gt=0, le=1)] | None = None
    singling: tuple[Path, ...] = ()
    blocked: tuple[Blocked, ...] = ()
    blocked_patterns: tuple[Blocked, ...] = ()


class SignalShape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A machine signal: the exact value that counts, and what it states. It can only narrow."""

    value: Literal["1"]
    state: Literal["objected", "refused", "withdrawn"]
    purposes: tuple[Reference, ...]


class ConsentModeShape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[consent_mode]`: where Google's consent mode stands in a call, and what each denied type closes."""

    source: Path = field(name="from")
    purposes: dict[ConsentType, tuple[Reference, ...]]
    state: Literal["refused", "withdrawn"] = "refused"


class CarriedChoiceShape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[segment_consent.categories.<id>]`: what a category of the consent platform means."""

    purpose: Reference
    notice: Small | None = None
    mechanism: Word | None = None


class SegmentConsentShape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[segment_consent]`: where the consent object stands in a call, and what its categories mean."""

    categories: dict[str, CarriedChoiceShape]
    source: Path = field(name="from", default="context.consent.categoryPreferences")
    event: Word = "Segment Consent Preference Updated"


class SignalsShape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """signals.toml."""

    format: Literal["assent/signals@1"]
    sec_gpc: SignalShape | None = None
    consent_mode: ConsentModeShape | None = None
    segment_consent: SegmentConsentShape | None = None
    tcf: TcfShape | None = None
    gpp: GppShape | None = None


class NoticeShape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """notices/<id>.<language>.toml: what a person reads before choosing."""

    format: Literal["assent/notice@1"]
    title: Word
    text: Prose
    version: Small
    benefit: Prose
    storage: Prose
