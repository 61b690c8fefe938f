"""Make people up: customers, and forms that some of them and some strangers filled in with typing errors.

Nobody in it exists. The same seed gives the same people. Pure.
"""

import random
from typing import Final

from msgspec import Struct, structs

_GIVEN: Final = (
    "amelia olivia isla ava emily sophia grace mia ella freya oliver george harry noah jack leo arthur oscar "
    "theo alfie marta luca giulia paolo anna jonas lena emil nora hugo"
)
_FAMILY: Final = (
    "smith jones taylor brown williams wilson johnson davies robinson wright thompson evans walker white "
    "roberts green hall wood jackson clarke patel khan lewis james phillips rossi bianchi weber keller novak"
)
_PLACES: Final = ("LS1", "M13", "BS8", "EH3", "CF10", "NE1", "SW4", "OX2", "B15", "G12")


class Entry(Struct, frozen=True, kw_only=True):
    """What a customer database or a form says of somebody; a blank is not filled in."""

    id: str
    person: int
    """Who it truly is: for the account at the end alone, never for the model."""
    given: str
    family: str
    email: str
    postcode: str
    born: str


def customers(number: int, seed: int) -> list[Entry]:
    """Return what the customer database holds."""
    dice = random.Random(seed)  # noqa: S311 nothing is secret here
    found: list[Entry] = []
    for one in range(number):
        # Every third lives with the one before, by the same name: whom a model takes for each other.
        found.append(_person(dice, one, living_with=found[-1] if one % 3 == 2 else None))
    return found


def forms(known: list[Entry], number: int, seed: int) -> list[Entry]:
    """Return forms sent from browsers: three of four by customers, mistyped or left blank here and there."""
    dice = random.Random(seed + 1)  # noqa: S311 nothing is secret here
    found = []
    for place in range(number):
        stranger = dice.random() < 0.25
        whose = _person(dice, len(known) + place) if stranger else dice.choice(known)
        found.append(
            Entry(
                id=f"browser-{place:06d}",
                person=whose.person,
                given=_mistyped(dice, whose.given, 0.15),
                family=_mistyped(dice, whose.family, 0.15),
                email="" if dice.random() < 0.4 else _mistyped(dice, whose.email, 0.2),
                postcode=_mistyped(dice, whose.postcode, 0.1),
                born="" if dice.random() < 0.3 else whose.born,
            )
        )
    return found


def _person(dice: random.Random, number: int, living_with: Entry | None = None) -> Entry:
    given, family = dice.choice(_GIVEN.split()), dice.choice(_FAMILY.split())
    inward = f"{dice.randrange(1, 10)}{dice.choice('ABDEF')}{dice.choice('GHJLN')}"
    person = Entry(
        id=f"{100_000 + number}",
        person=number,
        given=given,
        family=family,
        email=f"{given}.{family}{dice.randrange(1, 1000)}@example.org",
        postcode=f"{dice.choice(_PLACES)} {inward}",
        born=f"{dice.randrange(1940, 2006)}",
    )
    if living_with is None:
        return person
    return structs.replace(person, family=living_with.family, postcode=living_with.postcode)


def _mistyped(dice: random.Random, text: str, share: float) -> str:
    """Return text in which, in this share of cases, a sign is left out, doubled or swapped with the next."""
    if dice.random() >= share:
        return text
    place = dice.randrange(len(text) - 1)
    before, here, after, rest = text[:place], text[place], text[place + 1], text[place + 2 :]
    return before + dice.choice((after + rest, here + here + after + rest, after + here + rest))
