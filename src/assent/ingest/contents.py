"""What a call says about its owner, by category: the event's properties, and traits.

What no category of the policy claims is not among the contents, and so is never stored. Of `context` only the
traits count, since no category names the rest (addresses, user agents, pages).

- Every call is one event under its name's category; only track, page and screen have properties. So
  `$identify` and `$alias` are content too: having been identified, where a policy names it.
- Each trait of identify, and of `context.traits` of any call, stands under its own category; a trait of
  the call itself beats one of its context. `null` takes a trait back and is kept.
- The traits of a group are one trait `group` of the person, with the group's `id` in it, so that a
  company's name never becomes a person's.

Pure. Raises nothing.
"""

from collections.abc import Mapping

from assent.core.ids import CategoryId
from assent.core.policy import Policy
from assent.ingest.facts import ContentBody
from assent.ingest.tracking import Call, CallType


def contents(call: Call, policy: Policy) -> tuple[tuple[CategoryId, ContentBody], ...]:
    """Return what the call says, lowest category first, of one category the event before the traits."""
    said: list[tuple[CategoryId, ContentBody]] = []
    category = policy.category_of_event(call.name)
    if category is not None:
        said.append((category, ContentBody(kind="event", name=call.name, data=call.properties)))
    by_category: dict[CategoryId, dict[str, object]] = {}
    for name, value in _traits(call).items():
        category = policy.category_of_trait(name)
        if category is not None:
            by_category.setdefault(category, {})[name] = value
    said += [(one, ContentBody(kind="traits", name="", data=data)) for one, data in by_category.items()]
    # A stable sort: of one category, the event stays before the traits.
    return tuple(sorted(said, key=lambda content: content[0]))


def _traits(call: Call) -> Mapping[str, object]:
    context = call.context.get("traits")
    traits = dict(context) if isinstance(context, dict) else {}
    match call.type:
        case CallType.GROUP:
            named = {} if call.group_id is None else {"id": call.group_id}
            return {**traits, "group": {**named, **call.traits}}
        case CallType.IDENTIFY:
            return {**traits, **call.traits}
        case CallType.TRACK | CallType.PAGE | CallType.SCREEN | CallType.ALIAS:
            return traits
