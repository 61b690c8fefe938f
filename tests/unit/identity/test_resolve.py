"""What becomes one person. Cases that name a source are facts of that product's documents, told in our words:

Adobe     AdobeDocs/experience-platform.en@027b04f0 help/identity-service/identity-graph-linking-rules/
          example-configurations.md; the e-mail change: work-in-progress.md@44843a0a
Segment   segmentio/segment-docs@747b35d8 src/unify/identity-resolution/identity-resolution-settings.md
Snowplow  snowplow/documentation@904b0380 docs/identities/concepts/
mParticle mParticle/docs@1bace449 src/pages/guides/idsync/user-data/index.md
"""

import pytest

from assent.core.ids import IdentifierId, NamespaceId
from assent.core.policy import ConflictRule, LinkKind
from assent.identity.resolve import DropReason, Node, Resolution, resolve
from tests.support.identities import clusters, identity_policy, resolved, sighting

AMBIGUOUS = ConflictRule.AMBIGUOUS
LAST = ConflictRule.LAST_AUTHENTICATED
FIRST = ConflictRule.FIRST_OWNER

CASES = [
    pytest.param(
        LAST,
        "crm!1 browser",
        ["crm:tom browser:1", "crm:summer browser:1"],
        ["crm:summer browser:1", "crm:tom"],
        id="a shared browser goes to the last person",  # Adobe, "shared device"
    ),
    pytest.param(
        LAST,
        "crm!1 login browser",
        [
            "crm:tom login:a",
            "crm:tom login:b",
            "login:a browser:1",
            "crm:summer login:c",
            "crm:summer login:d",
            "login:c browser:2",
            "login:c browser:1",
        ],
        ["crm:summer browser:1 browser:2 login:c login:d", "crm:tom login:a login:b"],
        id="priority comes before time among older links",  # Adobe, "shared device" with logins
    ),
    pytest.param(
        LAST,
        "crm!1 email!1 browser",
        ["crm:tom email:tom", "crm:tom browser:1", "email:summer browser:1"],
        ["crm:tom email:tom", "browser:1 email:summer"],
        id="the newest event comes before priority",  # Adobe, member then guest
    ),
    pytest.param(
        LAST,
        "crm!1 email phone!1 gaid idfa browser",
        [
            "crm:tom email:a phone:1",
            "crm:tom browser:1",
            "crm:tom browser:2 idfa:a",
            "crm:summer email:d phone:7",
            "crm:summer browser:3",
            "crm:summer browser:4 gaid:b",
            "crm:summer phone:1",
        ],
        [
            "crm:summer browser:3 browser:4 email:d gaid:b phone:1",
            "crm:tom browser:1 browser:2 email:a idfa:a",
            "phone:7",
        ],
        id="a second unique namespace gives up its older value",  # Adobe, "unique phone"
    ),
    pytest.param(
        LAST,
        "crm!1 email!1 hash!1 browser",
        ["crm:john email:g hash:g", "crm:john email:y hash:y"],
        ["crm:john email:y hash:y", "email:g hash:g"],
        id="an old address keeps what hangs on it alone",  # Adobe, e-mail change
    ),
    pytest.param(
        LAST,
        "customer email!1 idfv",
        ["customer:j email:ed idfv:1", "email:h", "customer:j email:h idfv:1"],
        ["customer:j email:h idfv:1", "email:ed"],
        id="a unique address moves to who claims it last",  # mParticle
    ),
    pytest.param(
        FIRST,
        "user!1 email!5 anonymous!5",
        ["user:123 email:jane", "user:456 email:jane"],
        ["email:jane user:123", "user:456"],
        id="the first person keeps the address",  # Segment #priority
    ),
    pytest.param(
        FIRST,
        "email!1 user!2 anonymous!5",
        ["user:shop email:j", "user:uuid email:j"],
        ["email:j user:shop user:uuid"],
        id="a limit of two admits two",  # Segment #limit
    ),
    pytest.param(
        FIRST,
        "user!1 device!5",
        ["user:1 device:ipad", "user:2 device:ipad", "user:3 device:ipad"],
        ["device:ipad user:1", "user:2", "user:3"],
        id="the first person keeps the device",  # Segment, shared iPad
    ),
    pytest.param(
        FIRST,
        "user!1 anonymous!2",
        ["user:1 anonymous:1", "user:1 anonymous:2", "user:1 anonymous:3"],
        ["anonymous:1 anonymous:2 user:1", "anonymous:3"],
        id="the value past a limit is left alone",
    ),
    pytest.param(
        LAST,
        "crm!1 browser",
        ["crm:tom browser:1", "crm:summer browser:1", "crm:tom browser:2"],
        ["crm:summer browser:1", "crm:tom browser:2"],
        id="among older links of one priority the newer comes first",
    ),
    pytest.param(
        FIRST,
        "user!1 email browser",
        ["user:a browser:1", "email:e browser:1", "user:b email:e"],
        ["user:a browser:1 email:e", "user:b"],
        id="the first owner comes before priority",
    ),
    pytest.param(
        AMBIGUOUS,
        "user email!2",
        ["email:1 email:2"],
        ["email:1 email:2"],
        id="two values of a namespace that admits two may be linked",
    ),
    pytest.param(
        AMBIGUOUS,
        "domain user device",
        ["domain:4b user:alice", "device:6d", "device:6d user:alice"],
        ["device:6d domain:4b user:alice"],
        id="without a unique namespace everything connected is one",  # Snowplow merges/index.md
    ),
    pytest.param(
        AMBIGUOUS,
        "domain user!1 device",
        ["domain:4b user:alice", "device:6d user:alice", "device:6d user:bob"],
        ["domain:4b user:alice", "user:bob", "device:6d"],
        # Snowplow unique-identifiers/index.md links the device to both; clusters of ours never overlap
        id="a device between two people belongs to neither",
    ),
    pytest.param(
        AMBIGUOUS,
        "user!1 email browser",
        ["user:a email:a browser:a", "user:a email:a browser:s", "user:b email:b browser:s"],
        ["user:a email:a browser:a", "user:b email:b", "browser:s"],
        id="people keep the browsers that are theirs alone",
    ),
    pytest.param(
        AMBIGUOUS,
        "user!1 device browser",
        ["user:a device:s browser:a", "user:b device:s browser:b"],
        ["user:a browser:a", "user:b browser:b", "device:s"],
        id="what was seen with a shared device stays with its person",
    ),
    pytest.param(
        AMBIGUOUS,
        "user!1 phone browser",
        ["user:a phone:s browser:1", "user:b phone:s"],
        ["user:a browser:1", "user:b", "phone:s"],
        id="a browser seen with a shared number stays with its person",
    ),
    pytest.param(
        AMBIGUOUS,
        "user!1 email!1 browser",
        ["user:a email:old browser:1", "user:a email:new browser:1"],
        ["user:a browser:1", "email:old", "email:new"],
        id="two addresses are lost, their person is not",
    ),
    pytest.param(
        AMBIGUOUS,
        "user!1 email browser",
        ["user:a email:family", "user:b email:family", "email:family browser:1", "user:a browser:2"],
        ["user:a browser:2", "user:b", "email:family", "browser:1"],
        id="a family address is shared, and what hangs on it alone is alone",
    ),
    pytest.param(
        AMBIGUOUS,
        "user email!2 browser",
        ["email:1 browser:s", "email:2 browser:s", "email:3 browser:s", "user:a email:1 email:2"],
        ["user:a email:1 email:2", "email:3", "browser:s"],
        id="a limit of two counts what higher identifiers agree on",
    ),
]


@pytest.mark.parametrize(("rule", "spaces", "events", "expected"), CASES)
def test_resolves_to(rule: ConflictRule, spaces: str, events: list[str], expected: list[str]) -> None:
    seen = [sighting(at, names) for at, names in enumerate(events, 1)]
    assert clusters(identity_policy(spaces, rule), seen) == {frozenset(group.split()) for group in expected}


def reasons(resolution: Resolution) -> list[DropReason]:
    return [dropped.reason for dropped in resolution.dropped]


@pytest.mark.parametrize("rule", ConflictRule)
def test_a_link_between_two_values_of_a_unique_namespace_joins_nothing(rule: ConflictRule) -> None:
    policy = identity_policy("user!1 browser", rule)
    resolution, _ = resolved(policy, [sighting(1, "user:a user:b"), sighting(2, "user:a browser:1")])
    assert reasons(resolution) == [DropReason.CONFLICT]
    assert sorted(map(len, resolution.clusters)) == [1, 2]


def test_a_shared_identifier_is_named_with_every_link_it_loses() -> None:
    seen = [sighting(1, "user:a browser:s"), sighting(2, "user:b browser:s")]
    resolution, evidence = resolved(identity_policy("user!1 browser"), seen)
    assert evidence.named(resolution.shared) == {"browser:s"}
    assert reasons(resolution) == [DropReason.SHARED, DropReason.SHARED]


def test_a_shared_identifier_outlives_its_evidence() -> None:
    policy = identity_policy("user!1 browser")
    _, evidence = resolved(policy, [sighting(1, "user:a browser:s")])
    browser = evidence.ids["browser:s"]
    resolution = resolve(policy, evidence.nodes, evidence.links, frozenset({(browser, browser)}))
    assert resolution.clusters == ((evidence.ids["browser:s"],), (evidence.ids["user:a"],))
    assert resolution.shared == {browser}


def test_a_denied_link_joins_nothing() -> None:
    seen = [sighting(1, "user:a browser:1"), sighting(2, "user:a browser:2")]
    denied = [("user:a", "browser:2")]
    assert clusters(identity_policy("user!1 browser"), seen, denied) == {
        frozenset({"user:a", "browser:1"}),
        frozenset({"browser:2"}),
    }


def test_denying_the_link_of_a_second_person_gives_a_shared_browser_back() -> None:
    seen = [sighting(1, "user:a browser:s"), sighting(2, "user:b browser:s")]
    denied = [("user:b", "browser:s")]
    assert frozenset({"user:a", "browser:s"}) in clusters(identity_policy("user!1 browser"), seen, denied)


def test_a_probable_link_joins_nothing_and_makes_nothing_shared() -> None:
    seen = [sighting(1, "user:a browser:1"), sighting(2, "user:b browser:1", LinkKind.PROBABLE)]
    resolution, evidence = resolved(identity_policy("user!1 browser"), seen)
    assert reasons(resolution) == [DropReason.PROPOSED]
    assert not resolution.shared
    assert frozenset({"user:a", "browser:1"}) in map(evidence.named, resolution.clusters)


def test_an_identifier_of_an_undeclared_namespace_joins_nothing() -> None:
    policy = identity_policy("user!1 browser")
    _, evidence = resolved(policy, [sighting(1, "user:a browser:1")])
    strangers = tuple(
        Node(id=node.id, namespace=NamespaceId(99), key=node.key) if node.namespace == 2 else node
        for node in evidence.nodes
    )
    resolution = resolve(policy, strangers, evidence.links)
    assert reasons(resolution) == [DropReason.UNDECLARED]
    assert len(resolution.clusters) == 2


def test_a_link_to_an_identifier_that_is_gone_joins_nothing() -> None:
    policy = identity_policy("user!1 browser")
    _, evidence = resolved(policy, [sighting(1, "user:a browser:1")])
    resolution = resolve(policy, evidence.nodes[:1], evidence.links)
    assert reasons(resolution) == [DropReason.UNDECLARED]
    assert len(resolution.clusters) == 1


@pytest.mark.parametrize("rule", [LAST, FIRST])
def test_several_links_of_one_pair_count_from_the_first_to_the_last(rule: ConflictRule) -> None:
    seen = [
        sighting(1, "user:a browser:s"),
        sighting(5, "user:a browser:s", LinkKind.ASSERTED),
        sighting(2, "user:b browser:s"),
        sighting(4, "user:b browser:s", LinkKind.ASSERTED),
    ]
    assert frozenset({"user:a", "browser:s"}) in clusters(identity_policy("user!1 browser", rule), seen)


@pytest.mark.parametrize("rule", [LAST, FIRST])
@pytest.mark.parametrize("name", "abcdefgh")
def test_a_tie_is_broken_alike_whoever_arrived_first(rule: ConflictRule, name: str) -> None:
    policy = identity_policy("user!1 email browser", rule)
    seen = [
        sighting(1, f"user:{name} browser:s"),
        sighting(1, "user:z browser:s"),
        sighting(0, "user:z email:z"),
    ]
    found = clusters(policy, seen)
    assert found == clusters(policy, reversed(seen))
    assert len(found) == 2


@pytest.mark.parametrize("name", "abcdefgh")
def test_a_tie_at_the_profile_cap_is_broken_alike_whoever_arrived_first(name: str) -> None:
    policy = identity_policy("user browser", identifiers_per_profile=2)
    seen = [sighting(1, f"user:u browser:{name}"), sighting(1, "user:u browser:z")]
    assert clusters(policy, seen) == clusters(policy, reversed(seen))


def test_an_identifier_past_the_links_cap_is_generic_and_leaves_everybody_alone() -> None:
    policy = identity_policy("user email browser", links_per_identifier=3)
    seen = [sighting(at, f"user:{at} email:info") for at in range(4)] + [sighting(9, "user:0 browser:0")]
    resolution, evidence = resolved(policy, seen)
    assert evidence.named(resolution.generic) == {"email:info"}
    assert set(reasons(resolution)) == {DropReason.GENERIC}
    assert [len(group) for group in resolution.clusters if len(group) > 1] == [2]


def test_an_identifier_at_the_links_cap_is_not_generic() -> None:
    policy = identity_policy("user email", links_per_identifier=3)
    resolution, _ = resolved(policy, [sighting(at, f"user:{at} email:info") for at in range(3)])
    assert not resolution.generic
    assert len(resolution.clusters) == 1


def test_several_links_of_one_pair_count_once() -> None:
    policy = identity_policy("user browser", links_per_identifier=1)
    seen = [sighting(1, "user:a browser:1"), sighting(2, "user:a browser:1", LinkKind.ASSERTED)]
    resolution, _ = resolved(policy, seen)
    assert not resolution.generic
    assert len(resolution.kept) == 2


def test_past_the_profile_cap_the_newest_browsers_are_left_out() -> None:
    policy = identity_policy("user browser", identifiers_per_profile=3)
    seen = [sighting(at, f"user:a browser:{at}") for at in (3, 1, 2, 4)]
    resolution, evidence = resolved(policy, seen)
    assert evidence.named(resolution.generic) == {"browser:3", "browser:4"}
    assert frozenset({"user:a", "browser:1", "browser:2"}) in map(evidence.named, resolution.clusters)


def test_a_profile_at_the_cap_is_whole() -> None:
    policy = identity_policy("user browser", identifiers_per_profile=3)
    resolution, _ = resolved(policy, [sighting(at, f"user:a browser:{at}") for at in range(2)])
    assert not resolution.generic
    assert len(resolution.clusters) == 1


def test_several_components_do_not_touch_each_other() -> None:
    policy = identity_policy("user!1 browser", LAST)
    early = [sighting(1, "user:a browser:s"), sighting(2, "user:b browser:s")]
    late = [sighting(8, "user:c browser:t"), sighting(9, "user:d browser:t")]
    clean = [sighting(5, "user:e browser:e")]
    apart = clusters(policy, early) | clusters(policy, late) | clusters(policy, clean)
    assert clusters(policy, early + late + clean) == apart


def test_an_identifier_without_links_is_alone() -> None:
    node = Node(id=IdentifierId(7), namespace=NamespaceId(1), key=b"k")
    assert resolve(identity_policy("user"), [node], []) == Resolution(clusters=((node.id,),), kept=())


def test_nothing_resolves_to_nothing() -> None:
    assert resolve(identity_policy("user"), [], []) == Resolution(clusters=(), kept=())
