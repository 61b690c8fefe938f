"""Whatever is done to the documents: parsing gives a policy that keeps its promises, or PolicyInvalid."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from assent.core.documents import parse_policy
from assent.core.errors import PolicyInvalid
from assent.core.ids import HIGHEST_BIT, members
from assent.core.policy import IdentifierKind, LegalBasis, Policy
from tests.support.policy_documents import Documents, shipped

CANARY = settings(
    database=None,
    phases=[Phase.generate],
    derandomize=True,
    max_examples=500,
    suppress_health_check=list(HealthCheck),
)

Path = tuple[str | int, ...]
Parse = Callable[[Documents], Policy]


def paths(node: object, path: Path = ()) -> Iterator[Path]:
    yield path
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield from paths(value, (*path, key))


def reached(documents: Documents, path: Path) -> Any:  # noqa: ANN401 - a node of JSON
    node: Any = documents
    for key in path:
        node = node[key]
    return node


PATHS = [path for path in paths(shipped()) if path]
KEYS = sorted({key for path in PATHS for key in path if isinstance(key, str)})
WORDS = sorted({value for path in PATHS if isinstance(value := reached(shipped(), path), str)})

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([*KEYS, *WORDS, "*", "P1Y", "P99999D", "(", "2026-03-01T00:00:00Z"])
    | st.datetimes(timezones=st.none() | st.timezones()),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner, max_size=3)
    ),
    max_leaves=6,
)
elsewhere = st.sampled_from(PATHS).map(lambda path: reached(shipped(), path))
edits = st.tuples(
    st.sampled_from(["set", "drop", "add"]),
    st.sampled_from(PATHS),
    st.sampled_from(KEYS) | st.text(max_size=6),
    values | elsewhere,
)


def edited(changes: list[tuple[str, Path, str, object]]) -> Documents:
    documents = shipped()
    for kind, path, key, value in changes:
        try:
            above, last = reached(documents, path[:-1]), path[-1]
            if kind == "drop":
                del above[last]
            elif kind == "set":
                above[last] = value
            else:
                above[last][key] = value
        except (KeyError, IndexError, TypeError):
            continue  # an earlier edit took away where this one would have gone
    return documents


def it_parses_or_is_invalid(changes: list[tuple[str, Path, str, object]], parse: Parse) -> None:
    documents = edited(changes)
    try:
        policy = parse(documents)
    except PolicyInvalid:
        return
    it_keeps_its_promises(policy)


def it_keeps_its_promises(policy: Policy) -> None:
    for purpose in policy.purposes.values():
        assert set(members(purpose.categories)) <= policy.categories.keys()
        assert purpose.categories
        assert purpose.retroactive & ~purpose.categories == 0
        assert purpose.view in policy.views
        bases = {purpose.legal_basis, *(change.legal_basis for change in purpose.basis_changes)}
        if bases & {LegalBasis.CONSENT, LegalBasis.EXPLICIT_CONSENT} and not purpose.requires_all:
            assert "en" in policy.notices[purpose.notice]
            assert purpose.notices
        if purpose.legal_basis is LegalBasis.LEGITIMATE_INTERESTS:
            assert purpose.lia
        assert not purpose.withdraw_channels or purpose.give_channels <= purpose.withdraw_channels
    assert max([0, *policy.purposes, *policy.categories]) <= HIGHEST_BIT
    people = [each.priority for each in policy.namespaces.values() if each.kind is IdentifierKind.PERSON]
    others = [each.priority for each in policy.namespaces.values() if each.kind is not IdentifierKind.PERSON]
    assert not people or not others or max(people) < min(others)
    assert all(each.category in policy.categories for each in policy.features.values())


def parse(documents: Documents) -> Policy:
    return parse_policy(documents)[0]


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(edits, min_size=1, max_size=3))
def test_edited_documents_parse_or_are_invalid(changes: list[tuple[str, Path, str, object]]) -> None:
    it_parses_or_is_invalid(changes, parse)


def test_a_parser_that_trusts_its_input_is_found() -> None:
    def trusting(documents: Documents) -> Policy:
        for purpose in documents["purposes"]["purposes"].values():
            purpose["categories"].count("*")
        return parse(documents)

    law = given(st.lists(edits, min_size=8, max_size=12))(
        lambda made: it_parses_or_is_invalid(made, trusting)
    )
    with pytest.raises((AttributeError, KeyError, TypeError)):
        CANARY(law)()


def test_a_parser_that_forgets_a_notice_is_found() -> None:
    def forgetful(documents: Documents) -> Policy:
        return msgspec.structs.replace(parse(documents), notices={})

    law = given(st.lists(edits, min_size=1, max_size=3))(
        lambda made: it_parses_or_is_invalid(made, forgetful)
    )
    with pytest.raises(KeyError):
        CANARY(law)()
