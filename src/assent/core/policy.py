"""What a controller declares, compiled: purposes, categories, features, namespaces, link use.

Frozen structs without behaviour beyond look-ups. `core/documents.py` makes them from the files of
`policies/`. Purposes, categories, features, namespaces and views carry the small numbers that the ledger gave
their names; masks are sets of those numbers.
"""

from collections.abc import Mapping
from enum import IntEnum, StrEnum

from msgspec import Struct

from assent.core.carried import CategoryPreferences, ConsentMode, GppTerms, Signal, TcfTerms
from assent.core.event_schema import EventSchema
from assent.core.ids import CategoryId, CategoryMask, FeatureId, NamespaceId, PurposeId, ViewId
from assent.core.time import Duration, Instant


class LegalBasis(StrEnum):
    """GDPR Art. 6(1)(a), 9(2)(a), 6(1)(b), (c), (f)."""

    CONSENT = "consent"
    EXPLICIT_CONSENT = "explicit_consent"
    CONTRACT = "contract"
    LEGAL_OBLIGATION = "legal_obligation"
    LEGITIMATE_INTERESTS = "legitimate_interests"


class IdentifierKind(StrEnum):
    """What a value names. In order of priority, highest first."""

    PERSON = "person"
    DEVICE = "device"
    COOKIE = "cookie"


class LinkKind(IntEnum):
    """How two identifiers came to be linked; the number is stored."""

    OBSERVED = 1
    """Seen on one event, said by a server key or a subject token."""
    CLAIMED = 2
    """Seen on one event from a public (browser) key, a person identifier among them."""
    ASSERTED = 3
    """Stated: an alias call, a data protection officer, an import of pairs."""
    PROBABLE = 4
    """Proposed by a model, with a weight."""


class ConflictRule(StrEnum):
    """What cuts when two values of a unique namespace are connected (DESIGN section 5)."""

    AMBIGUOUS = "ambiguous"
    LAST_AUTHENTICATED = "last_authenticated"
    FIRST_OWNER = "first_owner"


class Account(Struct, frozen=True, kw_only=True):
    """A family of accounts, such as companies: found in calls as identifiers are, and never one itself.

    Whoever names the same account is not for that the same person: belonging to one links nobody.
    """

    id: NamespaceId
    name: str
    sources: tuple[str, ...] = ()
    normaliser: str = "exact"
    region: str | None = None
    blocked: frozenset[str] = frozenset()
    blocked_patterns: tuple[str, ...] = ()


class Namespace(Account, frozen=True, kw_only=True):
    """A family of identifiers. `priority` 1 is the highest; `limit` is how many one profile may hold."""

    kind: IdentifierKind
    priority: int
    limit: int | None = None
    limit_period: Duration | None = None
    """The limit counts values first seen within any such period; None: all of them, ever."""
    lifetime: Duration | None = None
    """How long a link of such an identifier counts after it was seen last; None: for good."""

    @property
    def unique(self) -> bool:
        """Whether a profile may hold one value only."""
        return self.limit == 1 and self.limit_period is None


class LinkUse(Struct, frozen=True, kw_only=True):
    """Which links a purpose may use. Equal uses share one view."""

    kinds: frozenset[LinkKind]
    agreement: bool = False
    """Whether one end's own newest statement must give `identity_linking`."""


class NoticeVersion(Struct, frozen=True, kw_only=True):
    """A version of a purpose's notice, in force from `at`; a material one asks again."""

    version: int
    at: Instant
    material: bool = False


class BasisChange(Struct, frozen=True, kw_only=True):
    """From `at` the purpose rests on another legal basis."""

    at: Instant
    legal_basis: LegalBasis
    lia: bool = False


class Purpose(Struct, frozen=True, kw_only=True):
    """A purpose of processing (GDPR Art. 5(1)(b)) and every duty that `decide` checks for it."""

    id: PurposeId
    name: str
    title: str
    text: str
    legal_basis: LegalBasis
    categories: CategoryMask
    view: ViewId
    opened_by: frozenset[IdentifierKind]
    """Kinds of identifier that may alone open a profile which holds a person identifier."""
    retroactive: CategoryMask = CategoryMask(0)
    """Categories whose data collected for other purposes may be used once this one is permitted."""
    notice: str = ""
    notices: tuple[NoticeVersion, ...] = ()
    """Versions in force, oldest first; empty means that any stated version is accepted."""
    validity: Duration | None = None
    parent: PurposeId | None = None
    declared: Instant | None = None
    basis_changes: tuple[BasisChange, ...] = ()
    requires_all: tuple[PurposeId, ...] = ()
    double_opt_in: bool = False
    digital_age: int | None = None
    automated_significant: bool = False
    profiling: bool = False
    """Whether it may use what models say of people."""
    direct_marketing: bool = False
    compelling_grounds: bool = False
    lia: bool = False
    imbalance: bool = False
    gpc: bool = False
    give_channels: frozenset[str] = frozenset()
    withdraw_channels: frozenset[str] = frozenset()
    tcf_purpose: int | None = None
    ask_again_after: Duration = Duration(months=6)
    """How long who did not agree is left alone."""
    erase_within: Duration = Duration(microseconds=86_400_000_000)
    k: int = 10
    """Counts for keys without the members right are floored to multiples of this."""
    exports: frozenset[NamespaceId] = frozenset()
    """Namespaces whose values may be handed out, each where the identifier's own statement permits."""
    gains_basis: str = ""
    """Why people may be used for more than before, from this version on, without a statement of theirs."""


class Category(Struct, frozen=True, kw_only=True):
    """A category of personal data: which events, traits and context it is, and what else must permit it."""

    id: CategoryId
    name: str
    events: frozenset[str] = frozenset()
    """Event names; `*` stands for every event that no other category names."""
    traits: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    """Families of accounts: that somebody belongs to one, and the traits of those accounts."""
    context: frozenset[str] = frozenset()
    """Fields of a call's context by their paths in it (`page.path`), groups resolved into their members."""
    special: bool = False
    profiling: bool = False
    """Whether it is what models say of people: for purposes that profile alone, and never from a browser."""
    also: tuple[PurposeId, ...] = ()
    retention: Duration | None = None
    titles: Mapping[str, str] = {}
    """What people call it, by language."""


class Retained(Struct, frozen=True, kw_only=True):
    """Why data of a category stays when a person is erased, restricted; counted from when it happened."""

    ground: str
    """The letter of GDPR Art. 17(3)."""
    title: str
    period: Duration


class ValueType(StrEnum):
    """The type of a feature's value. Numbers are int64 millionths inside, times are instants."""

    BOOLEAN = "boolean"
    NUMBER = "number"
    TEXT = "text"
    TIME = "time"
    SET = "set"
    LIST = "list"
    """A list of objects, as canonical JSON text."""
    PLACE = "place"
    """A cell of a coarse grid on the earth, as the text of its centre: `45.465,9.195`."""


class Aggregate(StrEnum):
    """How events become a value."""

    TRAIT = "trait"
    COUNT = "count"
    SUM = "sum"
    MEAN = "mean"
    LOW = "low"
    HIGH = "high"
    FIRST = "first"
    LAST = "last"
    DISTINCT = "distinct"
    TOP = "top"
    """The values that were there most often."""
    CART = "cart"
    """What was added, and neither removed nor ordered since."""
    FIRST_TIME = "first_time"
    LAST_TIME = "last_time"
    # Of leaves of rules alone: 1 where it is so, 0 where it is not.
    SEQUENCE = "sequence"
    """Events happened one after the other."""
    HELD = "held"
    """A trait has had a value for so long."""
    HOLDS = "holds"
    """A trait that is a list has an item that fulfils a condition."""


class Cart(Struct, frozen=True, kw_only=True):
    """How what lies in a cart is told, beside the event that adds and the path of what it names."""

    removed: str
    """The event that takes something out again."""
    amount: str
    """The path of the price of one."""
    cleared: str
    """The feature, a time, up to which everything was ordered."""


class Model(Struct, frozen=True, kw_only=True):
    """What computed a value elsewhere (GDPR Art. 4(4), 22): named, so that it can be asked about."""

    name: str
    version: str


FINEST = 2
"""Decimals of a degree at most in a place: of latitude, 1.1 km."""


class Feature(Struct, frozen=True, kw_only=True):
    """One feature of the catalogue. A windowed or distinct one is held as items, all others as partials."""

    id: FeatureId
    name: str
    category: CategoryId
    type: ValueType
    aggregate: Aggregate
    trait: str | None = None
    account: NamespaceId | None = None
    """Whose trait it is, where it is an account's: told by those who belong to it."""
    event: str | None = None
    path: str | None = None
    """Where the value stands in the event's properties or, after `context.`, in its context.

    Dots join members. A feature of the context that names no event is made of every call.
    """
    window: Duration | None = None
    less: str | None = None
    """The event whose amounts a sum takes off again, whatever their sign: refunds."""
    size: int | None = None
    """How many of the most frequent values count."""
    decimals: int | None = None
    """Of degrees of latitude and longitude, in a place: 2 are a kilometre or so."""
    cart: Cart | None = None
    model: Model | None = None
    leaf: "Leaf | None" = None
    """What a rule asks of events beyond that; None for a feature of the catalogue."""

    @property
    def itemised(self) -> bool:
        """Whether single items are kept, because a partial could not give the value."""
        alone = self.window is not None or self.leaf is not None or self.account is not None
        return alone or self.aggregate in _OF_ITEMS


_OF_ITEMS = frozenset({Aggregate.DISTINCT, Aggregate.TOP, Aggregate.CART})


class Step(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event of a sequence: its name and, as JSON, what its properties must fulfil."""

    event: str
    where: str = ""


class Leaf(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a rule's leaf asks of single events or of a trait's history; conditions are JSON text."""

    where: str = ""
    """What an event's properties, or one item of a list, must fulfil; nothing where it is empty."""
    until: Duration | None = None
    """The window is (now - window, now - until]."""
    between: tuple[Instant, Instant] | None = None
    """Events after the first instant and up to the second alone."""
    steps: tuple[Step, ...] = ()
    gap: Duration | None = None
    """How far two steps of a sequence may lie apart."""
    among: tuple[CategoryId, ...] = ()
    """The categories of a sequence's events, where they are several: each has a feature like this one."""
    value: str = ""
    """The value that a trait must have, packed, in hex."""
    of: ValueType = ValueType.TEXT
    """The trait's own type."""


class Notice(Struct, frozen=True, kw_only=True):
    """What a person reads before choosing, in one language (GDPR Art. 7(2), 12(1), 13)."""

    version: int
    title: str
    text: str
    benefit: str
    """What the person gains by agreeing."""
    storage: str
    """How long data is kept, in words."""
    hash: str
    """SHA-256 of exactly these words, their version and language, in hex: which text a statement answered."""


class Controller(Struct, frozen=True, kw_only=True):
    """Who is responsible (GDPR Art. 4(7)), as every record of a consent has to say (Art. 13(1), 30(1))."""

    name: str
    address: str
    contact: str
    """Where a person reaches it: an address of e-mail or of the web."""
    jurisdictions: tuple[str, ...]
    """Countries, or EU, whose law applies."""
    storage: tuple[str, ...]
    """Countries, or EU, where the data is kept."""
    recipients: tuple[str, ...] = ()
    """Third parties that receive the data; none means that nobody does."""
    preferences: str = ""
    """The page where a person changes and withdraws what they agreed to."""
    authority: str = ""
    """The supervisory authority to complain to (Art. 77)."""


class Policy(Struct, frozen=True, kw_only=True):
    """Everything one version of a controller's policy says."""

    version: int
    purposes: Mapping[PurposeId, Purpose]
    categories: Mapping[CategoryId, Category]
    features: Mapping[FeatureId, Feature]
    namespaces: Mapping[NamespaceId, Namespace]
    accounts: Mapping[NamespaceId, Account] = {}
    views: Mapping[ViewId, LinkUse]
    conflict: ConflictRule = ConflictRule.AMBIGUOUS
    identifiers_per_profile: int = 100
    links_per_identifier: int = 200
    probable_threshold: int | None = None
    """How sure, in millionths, a model must be for its proposals to join anybody; None: they never do."""
    singling: frozenset[str] = frozenset()
    """Paths of what tells people apart and is no identifier: rules over it are for who may know members."""
    linking: PurposeId | None = None
    """The purpose `identity_linking`, whose denial splits."""
    purpose_ids: Mapping[str, PurposeId]
    category_ids: Mapping[str, CategoryId]
    feature_ids: Mapping[str, FeatureId]
    namespace_ids: Mapping[str, NamespaceId]
    notices: Mapping[str, Mapping[str, Notice]] = {}
    """The texts in force, by notice id and language; every notice a consent refers to is there in English."""
    signals: Mapping[str, Signal] = {}
    """What machine signals state, by the signal's name (`sec_gpc`)."""
    consent_mode: ConsentMode | None = None
    category_preferences: CategoryPreferences | None = None
    tcf: TcfTerms | None = None
    gpp: GppTerms | None = None
    controller: Controller | None = None
    schemas: Mapping[str, EventSchema] = {}
    """What calls of an event must look like, by its name. An event without one may say anything."""
    retained: Mapping[CategoryId, Retained] = {}
    """What erasure leaves (Art. 17(3)); of every other category nothing stays."""

    def category_of_event(self, name: str) -> CategoryId | None:
        """Return the category of an event by its name, the catch-all's for a name none claims, else None."""
        return _category(self.categories, "events", name)

    def category_of_trait(self, name: str) -> CategoryId | None:
        """Return the category of a trait by its name, the catch-all's for a name nobody claims, else None."""
        return _category(self.categories, "traits", name)


def _category(categories: Mapping[CategoryId, Category], field: str, name: str) -> CategoryId | None:
    fallback = None
    for category in categories.values():
        names: frozenset[str] = getattr(category, field)
        if name in names:
            return category.id
        if "*" in names:
            fallback = category.id
    return fallback
