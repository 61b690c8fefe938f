"""The language of an answer: looked up as RFC 4647 says, English where nothing fits."""

import pytest

from assent.http.language import negotiated

FIVE = ("en", "it", "fr", "pl", "de")


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("", "en"),
        ("it", "it"),
        ("IT", "it"),
        ("it-IT", "it"),
        ("de-Latn-DE-1996", "de"),
        ("de-x-private", "de"),
        ("es, it;q=0.5", "it"),
        ("it;q=0.5, fr", "fr"),
        ("it;q=0.5,fr;q=0.501", "fr"),
        ("it, fr", "it"),
        ("fr;q=0.9 , pl ; q=0.95", "pl"),
        ("*", "en"),
        ("*, pl;q=0.1", "pl"),
        ("it;q=0", "en"),
        ("it;q=0, it-IT", "en"),
        ("it-IT;q=0, it", "it"),
        ("it;q=0, *", "en"),
        ("ita", "en"),
        ("i", "en"),
        ("it;q=1.5, pl;q=0.2", "pl"),
        ("it;q=0.1234, pl;q=0.2", "pl"),
        ("it;level=1, pl;q=0.2", "pl"),
        (";;;,,q=1,\u00e9, it ,", "it"),
        ("it" * 5_000 + ", pl", "en"),
    ],
)
def test_the_language_that_is_asked_for_first_and_exists_is_spoken(header: str, wanted: str) -> None:
    assert negotiated(header, FIVE) == wanted


@pytest.mark.parametrize(
    ("header", "wanted"),
    [("pt", "en"), ("pt-br", "pt-BR"), ("pt-BR-x-a", "pt-BR"), ("pt-PT, it;q=0.1", "en")],
)
def test_a_range_never_finds_a_language_more_special_than_itself(header: str, wanted: str) -> None:
    assert negotiated(header, ("en", "pt-BR")) == wanted
