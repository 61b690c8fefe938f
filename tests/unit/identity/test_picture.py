"""The drawing of one person's graph: what holds it together, and what is left out."""

import re
from xml.etree import ElementTree as ET

import pytest

from assent.core.ids import IdentifierId
from assent.core.policy import IdentifierKind
from assent.identity.explain import Tie
from assent.identity.picture import Drawn, picture
from assent.identity.resolve import DropReason
from tests.unit.identity.test_views import A, B, C, link

SOMEBODY = Drawn(label="user_id ada", kind=IdentifierKind.PERSON)


def classes(svg: str) -> list[str]:
    return re.findall(r'<line class="(\w+)"', svg)


def test_a_link_that_does_not_count_makes_no_bridge_less_of_one() -> None:
    ties = [
        Tie(link=link(A, B), fault=None),
        Tie(link=link(B, C), fault=None),
        Tie(link=link(A, C), fault=DropReason.CONFLICT),
    ]
    nodes = dict.fromkeys((A, B, C), SOMEBODY)
    assert classes(picture(nodes, ties, A, "")) == ["bridge", "bridge", "dropped"]
    around = [Tie(link=tie.link, fault=None) for tie in ties]
    assert classes(picture(nodes, around, A, "")) == ["kept", "kept", "kept"]


def test_of_a_crowd_those_nearest_are_drawn_and_the_rest_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assent.identity.picture.MOST_DRAWN", 9)  # laying out as many as may be takes seconds
    crowd = [IdentifierId(64 * number) for number in range(2, 40)]
    ties = [Tie(link=link(A, one), fault=DropReason.GENERIC) for one in crowd]
    svg = picture(dict.fromkeys([A, *crowd], SOMEBODY), ties, crowd[-1], "")
    assert svg.count('class="node') == 9
    assert 'class="node asked"' in svg
    assert f"{len(crowd) + 1 - 9} further identifiers are not drawn" in svg


def test_whatever_a_label_holds_it_is_text() -> None:
    hostile = '"/><script>&amp;]]>\x00\ufffe\u2028' + "x" * 1_000
    svg = picture({A: Drawn(label=hostile, kind=None, mark="shared")}, [], A, hostile)
    texts = [one.text or "" for one in ET.fromstring(svg).iter()]
    assert [len(text) for text in texts if text.startswith('"/><script>&amp;')] == [
        200,
        200,
    ]  # title and label
    assert "<script" not in svg
