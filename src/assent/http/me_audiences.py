"""In which audiences a person is, and what makes it so, in plain words (GDPR Art. 15(1)(h)).

Told are those that they are in, by title, and of each leaf what it asks and what stands there of theirs. What
an engine asks for elsewhere, and features that rules alone ask for, are nobody's to read here; nor are other
people's values: of a leaf that names people singly it is told that there is a list.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from litestar import Response

from assent.audiences.evaluate import Truth
from assent.audiences.explain import Part
from assent.audiences.rule import Ids
from assent.audiences.singling import names
from assent.core.derived import is_derived
from assent.core.policy import Policy
from assent.features.catalogue import value_to_json
from assent.http.access import subject
from assent.http.at_least import revision_asked
from assent.http.bodies import answer, at_revision, reading
from assent.http.me import accepted, spoken_in
from assent.http.own import own
from assent.http.purposes_shown import category_in_words, language_for, purpose_in_words
from assent.http.rule_words import in_words
from assent.http.schema import PERSON, shape
from assent.http.wiring import AnyRequest, service
from assent.ingest.models import model_of
from assent.ingest.own_audiences import belongings

_LIST: Final = Ids(values=())


@reading("/v1/me/audiences", opt=shape(by=PERSON, answer=dict[str, Any], at_least=True))
async def audiences(request: AnyRequest) -> Response[bytes]:
    """Return the audiences that the person is in, per purpose, and why: leaves in words, with their data."""
    found, wired = subject(request), service(request)
    wired.audiences.shelf.forget(found.controller_id)  # what is at hand may be a second old
    saved = await wired.audiences.shelf.all(found.controller_id)
    titles = {name: one.title for name, one in saved.items()}
    async with own(wired, found, "me/audiences", revision_asked(request)) as opened:
        present, policy = opened.present, opened.present.policy
        language = language_for(accepted(request), policy)
        known = opened.person.is_known
        mine = (
            await belongings(
                present.connection, present.controller_id, opened.person, opened.ids, saved.values()
            )
            if known
            else []
        )
    document = {
        "audiences": [
            {
                "id": one.audience.id,
                "title": one.audience.title,
                "purpose": one.purpose.name,
                "purpose_title": purpose_in_words(policy, one.purpose, language),
                "why": _told(one.tree, policy, language, titles),
            }
            for one in mine
        ],
        "whole": opened.whole,
        "revision": present.revision,
    }
    return answer(document, headers={**at_revision(present.revision), **spoken_in(language)})


def _told(part: Part, policy: Policy, language: str, titles: Mapping[str, str]) -> dict[str, object]:
    document: dict[str, object] = {
        "says": in_words(_LIST if names(part.rule, policy) else part.rule, language, titles),
        "so": None if part.truth is Truth.UNKNOWN else part.truth is Truth.TRUE,
    }
    if part.ground is None:
        weights = {"weights": part.weights} if part.weights else {}
        return document | weights | {"of": [_told(each, policy, language, titles) for each in part.of]}
    return document | {
        "data": [
            {
                "category": category_in_words(policy.categories[one.feature.category], language),
                "feature": None if is_derived(one.feature.name) else one.feature.name,
                "yours": None if one.value is None else value_to_json(one.feature, one.value),
                "model": msgspec.to_builtins(model_of(policy, one.feature)),
            }
            for one in part.looked_at
        ]
    }


HANDLERS = [audiences]
