"""What a call says about its owner, by category: the event's properties, its context, and traits.

What no category of the policy claims is not among the contents, and so is never stored.

- Every call is one event under its name's category; only track, page and screen have properties. So
  `$identify` and `$alias` are content too: having been identified, where a policy names it.
- The context of an event that a category names stands under the categories that claim its fields: beside the
  event where that is the event's own, else by itself, without the event's name, which is the other one's
  datum.
- Each trait of identify, and of `context.traits` of any call, stands under its own category; a trait of
  the call itself beats one of its context. `null` takes a trait back and is kept.
- Of an account that the call names stands that its owner belongs to it and, of a group call, each trait that
  a feature reads: one by one, since a newer word on a trait replaces the older one whoever said it.
- The traits of a group that is no account are one trait `group` of the person, with the group's `id` in it,
  so that a company's name never becomes a person's.
- A place that a feature is made of is cut to the feature's grid: the precise one is never stored, and what is
  no place is not kept.
- What models say of people, and to which account they belong, is taken from a server alone: a browser's word
  for it is anybody's, and would tell them what others said of the account, or tell the others.
- A network address is taken out of properties and traits. A trait that a category claims by such a name is
  the network.

Pure. Raises nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from assent.core.context_fields import ADDRESSES
from assent.core.ids import CategoryId
from assent.core.per_policy import PerPolicy
from assent.core.policy import Policy
from assent.ingest.addresses import network
from assent.ingest.context import NOTHING, Fields
from assent.ingest.facts import ContentBody, Identifier
from assent.ingest.places import Places
from assent.ingest.tracking import Call, CallType
from assent.ingest.urls import without_queries


def contents(
    call: Call,
    policy: Policy,
    declared: Mapping[str, str] = NOTHING,
    accounts: Sequence[Identifier] = (),
    *,
    server: bool = True,
) -> tuple[tuple[CategoryId, ContentBody], ...]:
    """Return what the call says, lowest category first; of one: event, context, traits, accounts.

    `declared` is the channel and the source that the call's key declares, for a call that names none;
    `accounts` are those it names. `server`: said by somebody who keeps a secret.
    """
    claims = _claims(policy)
    said: list[tuple[CategoryId, ContentBody]] = []
    category = claims.events.get(call.name, claims.any_event)
    if category is not None:
        context = claims.fields.read(call, category, declared)
        own = context.pop(category, _NONE)
        said.append(
            (category, ContentBody(kind="event", name=call.name, data=_properties(call), context=own))
        )
        for one, fields in context.items():
            said.append((one, ContentBody(kind="context", name="", data=_NONE, context=fields)))
    traits = _traits(call, of_account=bool(accounts))
    if traits:
        for one, data in claims.traits_of(traits).items():
            said.append((one, ContentBody(kind="traits", name="", data=data)))
    for account in accounts if server else ():
        said += claims.said_of(account, call)
    if not server:
        said = [one for one in said if one[0] not in claims.profiling]
    if claims.places:
        said = [(one, claims.places.cut(content)) for one, content in said]
    # A stable sort: of one category, the event stays before the traits.
    return tuple(sorted(said, key=_category) if len(said) > 1 else said)


class _Claims:
    """Whose is what, for one policy."""

    __slots__ = (
        "_accounts",
        "_any_trait",
        "_read",
        "_traits",
        "any_event",
        "events",
        "fields",
        "places",
        "profiling",
    )

    def __init__(self, policy: Policy) -> None:
        categories = policy.categories.values()
        self.events = {name: each.id for each in categories for name in each.events}
        self._traits = {name: each.id for each in categories for name in each.traits}
        self.any_event = self.events.pop("*", None)
        self._any_trait = self._traits.pop("*", None)
        self.fields = Fields(policy)
        self.places = Places(policy)
        self.profiling = frozenset(each.id for each in categories if each.profiling)
        families = {family.name: family.id for family in policy.accounts.values()}
        self._accounts = {families[name]: each.id for each in categories for name in each.accounts}
        features = policy.features.values()
        self._read = {
            number: sorted(
                {(each.trait or "").partition(".")[0] for each in features if each.account == number}
            )
            for number in self._accounts
        }

    def said_of(self, account: Identifier, call: Call) -> Iterator[tuple[CategoryId, ContentBody]]:
        """Yield what a call says of an account, if a category claims its family."""
        category = self._accounts.get(account.namespace)
        if category is None:
            return
        yield category, ContentBody(kind="account", name="", data=_NONE, account=account)
        if call.type is CallType.GROUP:
            for name in self._read[account.namespace]:
                if name in call.traits:
                    data = {name: call.traits[name]}
                    yield category, ContentBody(kind="account", name="", data=data, account=account)

    def traits_of(self, traits: Mapping[str, object]) -> dict[CategoryId, dict[str, object]]:
        """Return the claimed traits by category."""
        found: dict[CategoryId, dict[str, object]] = {}
        for name, value in traits.items():
            if name in ADDRESSES:
                category, value = self._traits.get(name), network(value)  # noqa: PLW2901 never as it was sent
            else:
                category = self._traits.get(name, self._any_trait)
            if category is not None:
                found.setdefault(category, {})[name] = value
        return found


_claims: Final = PerPolicy(_Claims)

_NONE: Final[dict[str, object]] = {}


def _category(content: tuple[CategoryId, ContentBody]) -> CategoryId:
    return content[0]


def _properties(call: Call) -> Mapping[str, object]:
    properties = call.properties
    if call.type is CallType.PAGE:
        properties = without_queries(properties)
    return _without_addresses(properties)


def _without_addresses(said: Mapping[str, object]) -> Mapping[str, object]:
    if ADDRESSES.isdisjoint(said):
        return said
    return {name: value for name, value in said.items() if name not in ADDRESSES}


def _traits(call: Call, *, of_account: bool) -> Mapping[str, object]:
    context = call.context.get("traits")
    traits: Mapping[str, object] = context if isinstance(context, dict) else _NONE
    match call.type:
        case CallType.GROUP if not of_account:
            named = {} if call.group_id is None else {"id": call.group_id}
            return {**traits, "group": {**named, **_without_addresses(call.traits)}}
        case CallType.IDENTIFY:
            return {**traits, **call.traits}
        case _:
            return traits
