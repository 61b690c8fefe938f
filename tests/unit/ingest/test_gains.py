"""Who gains under another policy: more categories, longer, further back, linked to more; and only then."""

import pytest

from assent.core.ids import CategoryMask
from assent.core.time import FOREVER, Instant
from assent.ingest.gains import Span, exceeds

NOW = Instant(1_000)


def span(categories: int, since: int = 0, until: int = FOREVER) -> Span:
    return CategoryMask(categories), Instant(since), Instant(until)


@pytest.mark.parametrize(
    ("more", "less", "gains"),
    [
        pytest.param([span(2)], [span(2)], False, id="the-same"),
        pytest.param([span(6)], [span(2)], True, id="another-category"),
        pytest.param([span(2)], [span(6)], False, id="fewer-categories"),
        pytest.param([span(2, 0, 3_000)], [span(2, 0, 2_000)], True, id="longer"),
        pytest.param([span(2, 0, 2_000)], [span(2, 0, 3_000)], False, id="shorter"),
        pytest.param([span(2, 0, 900)], [], False, id="over-already"),
        pytest.param([span(2, 0, 3_000)], [span(2, 500, 3_000)], False, id="only-in-the-past"),
        pytest.param([span(2, 2_000)], [], True, id="from-later-on"),
        pytest.param(
            [span(2, 0, 3_000)], [span(2, 2_000, 3_000), span(2, 0, 2_000)], False, id="covered-by-two"
        ),
        pytest.param(
            [span(2, 0, 3_000)], [span(2, 0, 1_500), span(2, 2_000, 3_000)], True, id="covered-with-a-gap"
        ),
        pytest.param([span(2)], [], True, id="from-nothing"),
        pytest.param([], [span(2)], False, id="to-nothing"),
    ],
)
def test_more_is_what_less_does_not_cover_from_now_on(
    more: list[Span],
    less: list[Span],
    gains: bool,
) -> None:
    assert exceeds(more, less, NOW) is gains
