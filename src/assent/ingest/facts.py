"""What the payload of an entry says: one frozen body per kind of fact, and how it is sealed.

A body is part 0 of a payload (who, when, what kind of evidence). What an event said about somebody stands
apart, one `ContentBody` per category, so that withdrawal can delete one and leave the other. Bodies carry
plain values: they exist in memory and sealed, never otherwise.

Pure: keys and randomness are given by the caller.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final, Literal
from uuid import UUID

import msgspec
from msgspec import Struct, structs

from assent.consent.statement import StatementBody
from assent.core.ids import (
    CategoryId,
    ControllerId,
    EntryIndex,
    IdentifierId,
    NamespaceId,
    PurposeId,
    PurposeMask,
)
from assent.core.policy import LinkKind
from assent.core.time import Instant
from assent.ledger.append import ContentPart, Fact, Part, Reading, Ref, Remain
from assent.ledger.entries import SALT_BYTES, EntryKind, commit
from assent.ledger.keyring import KeyRing

Random = Callable[[int], bytes]


IMPORTED: Final = "import"
"""The role of what comes from a file: nobody's own word to us."""


class Identifier(Struct, frozen=True, array_like=True):
    """A normalised value in its namespace."""

    namespace: NamespaceId
    value: str

    def __repr__(self) -> str:
        """Hide the value: it is personal."""
        return f"Identifier(namespace={self.namespace}, value=***)"


class EventBody(Struct, frozen=True, kw_only=True, tag="event", omit_defaults=True):
    """An event: its owner first, then the identifiers seen with it."""

    identifiers: tuple[Identifier, ...]
    link: LinkKind
    at: Instant
    """Event time."""
    call: str
    closed: tuple[PurposeId, ...] = ()
    """Purposes for which a signal of the call itself forbids to collect it."""
    source: str = ""
    """Whose evidence it is that its identifiers are one person."""


class LinkBody(Struct, frozen=True, kw_only=True, tag="link", omit_defaults=True):
    """A statement that two identifiers are one person, or, denied, that they are not.

    A probable one says which model proposes it, and how sure that is (`weight`, in millionths).
    """

    identifiers: tuple[Identifier, ...]
    link: LinkKind
    at: Instant
    denied: bool = False
    weight: int = 0
    model: str = ""
    source: str = ""


class UnlinkBody(Struct, frozen=True, kw_only=True, tag="unlink", omit_defaults=True):
    """Evidence taken back: of two identifiers what was stated about them, of one all that links it so far."""

    identifiers: tuple[Identifier, ...]
    sources: tuple[str, ...] = ()
    """Of two identifiers: all that these sources proved so far, stated or seen, and nothing else."""


class ExpiryBody(Struct, frozen=True, kw_only=True, tag="expiry"):
    """Time ended links around an identifier: from here on those that are over join nobody."""

    identifiers: tuple[Identifier, ...]


class StatedBody(Struct, frozen=True, kw_only=True, tag="statement", omit_defaults=True):
    """What somebody stated about one purpose: the subject first, then the address it hangs on, if any."""

    identifiers: tuple[Identifier, ...]
    statement: StatementBody
    authenticated: bool
    person_scope: bool = False
    signal: str = ""
    """The section of signals.toml that it was read by; it is taken only if it says anything new."""
    chosen_at: Instant | None = None
    """When the person made the choice that a signal tells; None where it repeats an earlier one."""
    vendors: str | None = None
    """See `Statement.vendors`."""


class PolicyBody(Struct, frozen=True, kw_only=True, tag="policy"):
    """The documents of a policy, activated by this entry. No person is in it.

    `as_of` is the instant from which on it was prepared; None where its own commit derived everybody.
    """

    documents: str
    as_of: Instant | None = None
    identifiers: tuple[Identifier, ...] = ()


class AudienceBody(Struct, frozen=True, kw_only=True, tag="audience"):
    """A version of an audience; without a rule it is deleted. No person is in it."""

    audience: str
    title: str
    purposes: tuple[str, ...]
    rule: str | None
    holdout: str | None = None
    goals: str | None = None
    identifiers: tuple[Identifier, ...] = ()


class RestBody(Struct, frozen=True, kw_only=True, tag="rest", omit_defaults=True):
    """What an erasure left of an entry that named others too: who they are, and what linked them."""

    identifiers: tuple[Identifier, ...]
    positions: tuple[int, ...]
    """Where each stood in the entry: its id is made of that."""
    link: LinkKind | None
    at: Instant
    source: str = ""


class MarkBody(Struct, frozen=True, kw_only=True, tag="mark"):
    """Somebody's data is restricted (GDPR Art. 18), or is no longer."""

    identifiers: tuple[Identifier, ...]
    state: Literal["restricted", "unrestricted"]
    ground: str
    authenticated: bool = False


class FindingBody(Struct, frozen=True, kw_only=True, tag="finding"):
    """Somebody entitled found that a consent was not asked for as it must be (Art. 5(2), 7(1))."""

    identifiers: tuple[Identifier, ...]
    purpose: str
    finding: str


class CarriedDenial(Struct, frozen=True, array_like=True):
    """A denial by somebody erased that stood for a device others use too: it goes on standing there."""

    identifier: IdentifierId
    purpose: PurposeId | None
    state: str
    acted_at: Instant


class ErasureBody(Struct, frozen=True, kw_only=True, tag="erasure"):
    """Somebody was erased: numbers alone, no value and no key of anybody.

    Who `stays` had a link, a denied link or a statement in common with whoever was erased, with the purposes
    that may know of them by what is left.
    """

    erased: tuple[IdentifierId, ...]
    stays: tuple[tuple[IdentifierId, PurposeMask], ...] = ()
    gone: tuple[EntryIndex, ...] = ()
    """Entries whose payload goes."""
    rest: tuple[tuple[EntryIndex, bytes], ...] = ()
    """Entries whose payload becomes a `RestBody`, and what commits to it."""
    retained: tuple[tuple[EntryIndex, tuple[int, ...]], ...] = ()
    """Entries kept under Art. 17(3), in no projection, and where in each those stand who stay."""
    parts: tuple[tuple[EntryIndex, int, Instant], ...] = ()
    """Their content that is kept, and until when."""
    denials: tuple[CarriedDenial, ...] = ()
    shared: tuple[IdentifierId, ...] = ()
    """Who stays, and stays shared: what came by them may be of whoever was erased."""
    suppressed: tuple[tuple[NamespaceId, bytes], ...] = ()
    """Tokens of whoever had objected to direct marketing."""
    as_of: int = 0
    """The revision by which this was worked out."""
    identifiers: tuple[Identifier, ...] = ()


class DerivationBody(Struct, frozen=True, kw_only=True, tag="derivation", omit_defaults=True):
    """Derived features that rules ask for from now on, by definition, or no longer. Nobody is in it."""

    definitions: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    identifiers: tuple[Identifier, ...] = ()


Body = (
    EventBody
    | LinkBody
    | UnlinkBody
    | ExpiryBody
    | StatedBody
    | PolicyBody
    | AudienceBody
    | DerivationBody
    | RestBody
    | MarkBody
    | FindingBody
    | ErasureBody
)

KINDS: Mapping[type, EntryKind] = {
    EventBody: EntryKind.EVENT,
    LinkBody: EntryKind.LINK,
    UnlinkBody: EntryKind.LINK,
    ExpiryBody: EntryKind.LINK,
    StatedBody: EntryKind.STATEMENT,
    PolicyBody: EntryKind.POLICY,
    AudienceBody: EntryKind.AUDIENCE,
    DerivationBody: EntryKind.AUDIENCE,
    MarkBody: EntryKind.RESTRICTION,
    FindingBody: EntryKind.STATEMENT,
    ErasureBody: EntryKind.ERASURE,
}


class ContentBody(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a call said in one category: properties, traits, or context alone. Numbers are int or Decimal.

    Of an account: that its owner belongs to it (no `data`), or one trait of it, so that each can go alone.
    """

    kind: Literal["event", "traits", "context", "account"]
    name: str
    data: Mapping[str, object]
    context: Mapping[str, object] = {}
    """The fields of the event's context that are of this category."""
    account: Identifier | None = None


_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode_body: Callable[[bytes], Body] = msgspec.json.Decoder(Body).decode
_decode_content = msgspec.json.Decoder(ContentBody, float_hook=Decimal).decode


class Draft(Struct, frozen=True, kw_only=True):
    """A fact before it is sealed."""

    body: Body
    role: str
    purpose: str | None = None
    source: str = ""
    message_key: bytes | None = None
    contents: tuple[tuple[CategoryId, ContentBody], ...] = ()
    reading: Reading | None = None
    remains: tuple[Remain, ...] = ()
    erasing: UUID | None = None


def aad(controller_id: ControllerId) -> bytes:
    """Return what binds a payload to its controller."""
    return b"assent/payload@1 %d" % controller_id


def make_facts(
    ring: KeyRing,
    random: Random,
    controller_id: ControllerId,
    drafts: Sequence[Draft],
) -> tuple[Fact, ...]:
    """Return facts ready to append: hashed, committed to and sealed, everything that needs no lock."""
    plain: list[bytes] = []
    drafts = [_sourced(draft) for draft in drafts]
    for draft in drafts:
        plain.append(_encode(draft.body))
        plain += [_encode(content) for _, content in draft.contents]
    salts = random(SALT_BYTES * len(plain))
    salted = [salts[SALT_BYTES * n : SALT_BYTES * (n + 1)] + text for n, text in enumerate(plain)]
    bound = aad(controller_id)
    boxes = ring.seal_many([(text, bound) for text in salted])
    parts = iter(
        [(box, commit(text[:SALT_BYTES], text[SALT_BYTES:])) for box, text in zip(boxes, salted, strict=True)]
    )
    return tuple(_fact(ring, controller_id, draft, parts) for draft in drafts)


def read_payload(payload: bytes) -> Body:
    """Return the body that a payload spells. Raises msgspec.DecodeError on anything else."""
    return _decode_body(payload)


def open_body(ring: KeyRing, controller_id: ControllerId, sealed: bytes) -> Body:
    """Return the body that a payload seals. Raises SealBroken."""
    return _decode_body(ring.open(sealed, aad(controller_id))[SALT_BYTES:])


def seal_rest(
    ring: KeyRing, random: Random, controller_id: ControllerId, body: RestBody
) -> tuple[bytes, bytes]:
    """Return what is left of an entry, sealed, and what commits to it."""
    salt, text = random(SALT_BYTES), _encode(body)
    return ring.seal(salt + text, aad(controller_id)), commit(salt, text)


def identifier_at(body: Body, position: int) -> Identifier | None:
    """Return the identifier that stood at a position of an entry; None when it was erased."""
    if isinstance(body, RestBody):
        return dict(zip(body.positions, body.identifiers, strict=True)).get(position)
    return body.identifiers[position] if position < len(body.identifiers) else None


def account_of(ring: KeyRing, controller_id: ControllerId, content: ContentBody) -> bytes:
    """Return the keyed hash of the account that a content is about; empty where it is about none."""
    said = content.account
    return b"" if said is None else ring.lookup(controller_id, said.namespace, said.value)


def open_content(ring: KeyRing, controller_id: ControllerId, sealed: bytes) -> ContentBody:
    """Return what a content part seals. Raises SealBroken."""
    return _decode_content(ring.open(sealed, aad(controller_id))[SALT_BYTES:])


def refs(ring: KeyRing, controller_id: ControllerId, identifiers: Sequence[Identifier]) -> tuple[Ref, ...]:
    """Return the identifiers as the database knows them."""
    return tuple(
        Ref(namespace=one.namespace, lookup=ring.lookup(controller_id, one.namespace, one.value))
        for one in identifiers
    )


def _sourced(draft: Draft) -> Draft:
    """Let evidence say whose it is, in its payload: a fold knows nothing else of it."""
    if draft.source and len(draft.body.identifiers) > 1 and isinstance(draft.body, EventBody | LinkBody):
        return structs.replace(draft, body=structs.replace(draft.body, source=draft.source))
    return draft


def _fact(
    ring: KeyRing, controller_id: ControllerId, draft: Draft, parts: Iterator[tuple[bytes, bytes]]
) -> Fact:
    box, commitment = next(parts)
    return Fact(
        kind=KINDS[type(draft.body)],
        role=draft.role,
        purpose=draft.purpose,
        source=draft.source,
        message_key=draft.message_key,
        reading=draft.reading,
        remains=draft.remains,
        erasing=draft.erasing,
        body=draft.body,
        refs=refs(ring, controller_id, draft.body.identifiers),
        who=Part(sealed=box, commitment=commitment),
        contents=tuple(
            ContentPart(
                category=category,
                content=content,
                account=account_of(ring, controller_id, content),
                sealed=part[0],
                commitment=part[1],
            )
            for category, content in draft.contents
            for part in (next(parts),)
        ),
    )
