"""What a person is shown of each purpose: in their language, what it covers, how long, what they said.

Only shapes an answer: where the person stands is found by `ingest/person.py`. Nothing here names an
identifier's value; devices are numbers.
"""

from assent.consent.statement import Statement
from assent.core.derived import is_derived
from assent.core.ids import CategoryId, IdentifierId, members
from assent.core.policy import Category, IdentifierKind, Policy, Purpose
from assent.core.time import BEGINNING, FOREVER, Duration, Instant, format_duration, format_time
from assent.http.language import FALLBACK, negotiated
from assent.ingest.person import Person, Standing, conflicts, own_words, standings


def language_for(header: str, policy: Policy) -> str:
    """Return the language to answer in: one in which every notice of a purpose is written."""
    written = [frozenset(policy.notices[one.notice]) for one in policy.purposes.values() if one.notice]
    return negotiated(header, frozenset.intersection(*written) if written else {FALLBACK})


def purposes_of(person: Person, language: str) -> list[dict[str, object]]:
    """Return every purpose as the person is shown it."""
    opposed = frozenset(conflicts(person))
    return [
        {
            **_texts(person.policy, one, language),
            **_stance(person, one),
            **_coverage(person.policy, person.policy.purposes[one.purpose], language),
            "conflict": one.purpose in opposed,
            "history": [_said(person, said) for said in reversed(own_words(person, one.purpose))],
        }
        for one in standings(person)
    ]


def devices_of(person: Person) -> list[dict[str, object]]:
    """Return the person's own devices and browsers, and where each stands by itself."""
    return [
        {
            "namespace": person.policy.namespaces[person.component.nodes[one].namespace].name,
            "id": f"i:{one}",
            "purposes": {
                person.policy.purposes[each.purpose].name: {
                    "state": each.state,
                    "allowed": each.decision.allowed,
                }
                for each in standings(person, one)
            },
        }
        for one in sorted(person.own)
        if _kind(person, one) in (IdentifierKind.DEVICE, IdentifierKind.COOKIE)
    ]


def asks_of(person: Person, language: str) -> list[dict[str, object]]:
    """Return which purposes may be asked about now, for a banner."""
    return [
        {
            "id": person.policy.purposes[one.purpose].name,
            **_asking(one),
            **_notice(person.policy, one, language),
        }
        for one in standings(person)
    ]


def _texts(policy: Policy, one: Standing, language: str) -> dict[str, object]:
    purpose = policy.purposes[one.purpose]
    texts = policy.notices.get(purpose.notice, {})
    shown = texts.get(language) or texts.get(FALLBACK)
    return {
        "id": purpose.name,
        "title": purpose.title if shown is None else shown.title,
        "text": purpose.text if shown is None else shown.text,
        "benefit": None if shown is None else shown.benefit,
        "storage": None if shown is None else shown.storage,
        **_notice(policy, one, language),
    }


def _notice(policy: Policy, one: Standing, language: str) -> dict[str, object]:
    name = policy.purposes[one.purpose].notice
    texts = policy.notices.get(name, {})
    spoken = language if language in texts else FALLBACK
    if spoken not in texts:
        return {"notice": None}
    return {
        "notice": {
            "id": name,
            "version": texts[spoken].version,
            "language": spoken,
            "hash": texts[spoken].hash,
        }
    }


def _stance(person: Person, one: Standing) -> dict[str, object]:
    decision = one.decision
    return {
        "legal_basis": person.policy.purposes[one.purpose].legal_basis.value,
        "state": one.state,
        "allowed": decision.allowed,
        "since": _time(one.since),
        "until": _time(one.until),
        "controls": one.controls,
        "why": {"reason": decision.reason.value, "article": decision.article, "index": decision.entry},
        **_asking(one),
    }


def _asking(one: Standing) -> dict[str, object]:
    return {"ask": one.asking.ask, "ask_again_at": _time(one.asking.again_at)}


def _coverage(policy: Policy, purpose: Purpose, language: str) -> dict[str, object]:
    """Return the data that a purpose may use, in words, the features made of it, and for how long."""
    covered = [policy.categories[CategoryId(number)] for number in members(purpose.categories)]
    numbers = frozenset(one.id for one in covered)
    return {
        "covers": {
            "categories": [
                {
                    "id": one.name,
                    "title": category_in_words(one, language),
                    "kept_for": _duration(one.retention),
                }
                for one in covered
            ],
            "features": sorted(
                one.name
                for one in policy.features.values()
                if one.category in numbers and not is_derived(one.name)
            ),
        },
        "valid_for": _duration(purpose.validity),
    }


def _said(person: Person, said: Statement) -> dict[str, object]:
    person_kind = _kind(person, said.identifier) is IdentifierKind.PERSON
    versioned = said.notice_version is not None
    return {
        "state": said.state.value,
        "at": format_time(said.acted_at),
        "recorded_at": format_time(said.known_at),
        "receipt": f"s:{said.entry}",
        "index": said.entry,
        "scope": "person" if person_kind else "device",
        "device": None if person_kind else f"i:{said.identifier}",
        "channel": said.channel,
        "mechanism": said.mechanism,
        "notice": {"version": said.notice_version, "language": said.language} if versioned else None,
    }


def _kind(person: Person, identifier: IdentifierId) -> IdentifierKind | None:
    namespace = person.policy.namespaces.get(person.component.nodes[identifier].namespace)
    return None if namespace is None else namespace.kind


def purpose_in_words(policy: Policy, purpose: Purpose, language: str) -> str:
    """Return what a purpose is called, in the words of its notice where there is one."""
    texts = policy.notices.get(purpose.notice, {})
    shown = texts.get(language) or texts.get(FALLBACK)
    return purpose.title if shown is None else shown.title


def category_in_words(category: Category, language: str) -> str:
    """Return what people call a category of data."""
    return category.titles.get(language) or category.titles.get(FALLBACK) or category.name


def _duration(duration: Duration | None) -> str | None:
    return None if duration is None else format_duration(duration)


def _time(at: Instant | None) -> str | None:
    return None if at is None or at in (BEGINNING, FOREVER) else format_time(at)
