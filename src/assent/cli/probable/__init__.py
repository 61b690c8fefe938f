"""`assent example`: what a record linkage model guesses, imported and judged, on people who are made up.

Customers and browsers' forms become guesses by Splink; the guesses come in as a file of probable links, by
the mapping that ships; the policy's threshold says which of them join. At the end the truth is held against
it.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec
from msgspec import Struct
from rich.table import Table

from assent.app import open_service
from assent.cli.probable.model import Guess, guesses
from assent.cli.probable.people import Entry, customers, forms
from assent.cli.running import finish, out
from assent.config import Settings
from assent.core.ids import RESOLUTION, NamespaceId
from assent.http.wiring import Service
from assent.identity.store import clusters_around, known_by_ref
from assent.ingest.controllers import create_controller
from assent.ingest.facts import Draft, PolicyBody, make_facts
from assent.ingest.importer import Importing, Summary, import_file, try_file
from assent.ingest.linking import LinkMapping
from assent.ingest.records import read_mapping
from assent.ledger.append import Ref
from assent.policies import read_folder
from assent.resources import policies_folder

_MAPPING = policies_folder() / "imports" / "probable-pairs.toml"

_SEED = 20_260_301

_FEWEST = 100


class Judged(Struct, frozen=True, kw_only=True):
    """What became of a model's guesses."""

    guesses: int
    foreseen: Summary
    """What a dry run of the file said."""
    joined: int
    """Guesses whose ends are one profile."""
    right: int
    """Of these, the ones that are true."""
    true: int
    """Forms that are some customer's."""


@click.command()
@click.option(
    "--people",
    type=click.IntRange(min=_FEWEST),
    default=1_000,
    show_default=True,
    help="Customers to make up: a model learns nothing from fewer.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.9,
    show_default=True,
    help="How sure a guess must be to join.",
)
@click.option(
    "--file", type=click.Path(dir_okay=False, path_type=Path), help="Keep the guesses in this NDJSON file."
)
def example(people: int, threshold: float, file: Path | None) -> None:
    """Show probable links: people made up, guessed at by Splink, imported, and held against the truth.

    Needs the extra `probable`: pip install '.[probable]' in the checkout. Works in a folder of its own, with
    a database of its own, and leaves neither behind.
    """

    async def shown() -> Judged:
        with tempfile.TemporaryDirectory(prefix="assent-example-") as folder:
            kept = file or Path(folder) / "guesses.ndjson"
            settings = Settings(folder=Path(folder) / "service")
            return await judged(settings, kept, people=people, threshold=threshold)

    _tell(finish(shown()), threshold)


async def judged(settings: Settings, file: Path, *, people: int, threshold: float) -> Judged:
    """Make people up, guess, import the guesses into a fresh ledger, and compare with the truth."""
    known = customers(people, _SEED)
    filled_in = forms(known, people * 3 // 5, _SEED)
    found = await asyncio.to_thread(lambda: [*guesses(known, filled_in, _SEED)])
    await asyncio.to_thread(file.write_bytes, b"".join(_line(guess) + b"\n" for guess in found))
    mapping = await asyncio.to_thread(read_mapping, _MAPPING)
    async with open_service(settings) as service:
        importing = await _prepared(service, threshold)
        foreseen = await try_file(importing, file, mapping, lambda *_: None)
        await import_file(importing, file, mapping, lambda *_: None)
        joined = await _joined(importing, mapping, found)
    person = {entry.id: entry.person for entry in (*known, *filled_in)}
    return Judged(
        guesses=len(found),
        foreseen=foreseen,
        joined=len(joined),
        right=sum(person[one] == person[other] for one, other in joined),
        true=_true(known, filled_in),
    )


def _true(known: Sequence[Entry], filled_in: Sequence[Entry]) -> int:
    people = {entry.person for entry in known}
    return sum(form.person in people for form in filled_in)


def _line(guess: Guess) -> bytes:
    customer, form, probability = guess
    # A weight is kept in millionths, and none is nothing.
    weight = max(0.000_001, round(probability, 6))
    return msgspec.json.encode({"customer_id": customer, "anonymous_id": form, "probability": weight})


async def _prepared(service: Service, threshold: float) -> Importing:
    """Make a controller whose policy takes guesses from this threshold on."""
    documents = read_folder(service.settings.policies)
    documents["identity"] = {**documents["identity"], "probable_threshold": threshold}
    async with service.database.writer.acquire() as connection:
        controller_id = await create_controller(connection, service.ring, "example", service.clock())
    text = msgspec.json.encode(documents, order="sorted").decode()
    facts = make_facts(
        service.ring, service.random, controller_id, [Draft(body=PolicyBody(documents=text), role="admin")]
    )
    await service.ledger.append(controller_id, facts)
    return Importing(
        controller_id=controller_id,
        policy=await service.policies.refreshed(controller_id),
        ledger=service.ledger,
        ring=service.ring,
        random=service.random,
        clock=service.clock,
        pool=service.database.writer,
    )


async def _joined(importing: Importing, mapping: object, found: Sequence[Guess]) -> list[tuple[str, str]]:
    """Return the guesses whose ends are one profile in the one resolution."""
    if not isinstance(mapping, LinkMapping):
        raise TypeError
    start, end = (importing.policy.namespace_ids[one.namespace] for _, one in mapping.links.ends())

    def ref(space: NamespaceId, value: str) -> Ref:
        return Ref(namespace=space, lookup=importing.ring.lookup(importing.controller_id, space, value))

    ends = {(one, other): (ref(start, one), ref(end, other)) for one, other, _ in found}
    async with importing.pool.acquire() as connection:
        known = await known_by_ref(
            connection, importing.controller_id, {each for pair in ends.values() for each in pair}
        )
        ids = {Ref(namespace=each.node.namespace, lookup=each.node.key): each.node.id for each in known}
        views = await clusters_around(connection, importing.controller_id, list(ids.values()), [RESOLUTION])
    profiles = views.get(RESOLUTION, {})
    return [
        pair
        for pair, (one, other) in ends.items()
        if ids[one] in profiles and profiles[ids[one]] == profiles.get(ids[other])
    ]


def _tell(judged: Judged, threshold: float) -> None:
    table = Table(show_header=False, box=None)
    table.add_column(justify="right")
    table.add_column()
    people = judged.foreseen.people
    rows = [
        (f"{judged.true:,}", "forms are truly some customer's"),
        (f"{judged.guesses:,}", "guesses of the model, each an entry of the ledger"),
        (f"{judged.joined:,}", f"of these join, at a threshold of {threshold:g}"),
        *(
            (f"{links:,}", f"join nothing: {reason}")
            for reason, links in sorted(people.dropped.items() if people else ())
        ),
        (f"{judged.right / max(1, judged.joined):.1%}", "of what joined is right (precision)"),
        (f"{judged.right / max(1, judged.true):.1%}", "of what is true joined (recall)"),
    ]
    for number, words in rows:
        table.add_row(number, words)
    out.print(table)
    out.print("proposed: less sure than the threshold; unsure: it would join two named people")
