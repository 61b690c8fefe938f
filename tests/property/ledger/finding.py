"""Whether a law finds a planted fault: the laws are functions that return whether they hold."""

from collections.abc import Callable
from typing import TypeVar

from hypothesis import find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

T = TypeVar("T")


def finds(strategy: st.SearchStrategy[T], law: Callable[[T], bool]) -> bool:
    """Return whether there is a case, among 2,000 tried, in which `law` does not hold."""
    try:
        find(strategy, lambda case: not law(case), settings=settings(max_examples=2_000, database=None))
    except NoSuchExample:
        return False
    return True
