"""Proofs over HTTP, checked with the public key alone, as somebody who trusts nobody here would."""

import asyncio
import base64

import pytest

from assent.core.errors import ProofInvalid
from assent.core.ids import ControllerId
from assent.ledger.note import Verifier
from assent.ledger.proof import Proof
from assent.ledger.store import Log, Trees
from assent.ledger.tiles import TileHashes, parse_bundle, parse_tile_path, tile_path, tile_width
from assent.ledger.tree import leaf_hash, root_at, root_nodes
from assent.ledger.verify import verify_checkpoint, verify_history, verify_proof
from tests.integration.http.shop import Shop, refused

pytestmark = pytest.mark.asyncio(loop_scope="session")

ANNA = "user_id:anna-0001"
BEYOND = 300
"""Entries beyond the first complete tile."""


async def checkpoint(shop: Shop) -> bytes:
    return (await shop.ask("GET", "/checkpoint", by="dpo")).content


async def get(shop: Shop, path: str, by: str = "dpo") -> bytes:
    response = await shop.ask("GET", path, by=by)
    assert response.status_code == 200, response.text
    return response.content


def verifier(shop: Shop, log: Log = Log.FACTS) -> Verifier:
    return Trees(shop.service.ring).signer(ControllerId(shop.controller_id), log).verifier


async def grown(shop: Shop, entries: int) -> None:
    """Let the log hold at least this many entries."""
    while (missing := entries - await shop.revision()) > 0:
        batch = [
            {"type": "track", "userId": "anna-0001", "event": "Order Completed", "properties": {"revenue": 1}}
            for _ in range(min(missing, 200))
        ]
        response = await shop.track("batch", batch=batch)
        assert response.status_code == 200, response.text


async def leaf_at(shop: Shop, index: int) -> bytes:
    size = await shop.revision()
    number, place = divmod(index, 256)
    width = tile_width(0, number, size)
    bundle = await get(shop, "/" + tile_path("entries", number, width))
    return parse_bundle(bundle, width)[place]


async def test_a_proof_of_an_entry_verifies_and_of_another_entry_does_not(shop: Shop) -> None:
    await grown(shop, BEYOND)
    log = verifier(shop)
    for index in (0, 1, 255, 256, 298):
        response = await shop.ask("GET", f"/v1/audit/proof/{index}", by="dpo")
        assert response.headers["content-type"].startswith("text/plain")
        leaf = await leaf_at(shop, index)
        assert verify_proof(leaf, response.content, log).index == index
        with pytest.raises(ProofInvalid):
            verify_proof(await leaf_at(shop, index ^ 1), response.content, log)


async def test_the_log_begins_with_every_log_it_was(shop: Shop) -> None:
    older = await checkpoint(shop)
    await grown(shop, BEYOND)
    middle = await checkpoint(shop)
    await shop.given(ANNA, "personalisation")
    newest = await checkpoint(shop)
    log = verifier(shop)
    for first, second in [(older, middle), (older, newest), (middle, newest), (newest, newest)]:
        sizes = [verify_checkpoint(note, log).size for note in (first, second)]
        response = await shop.ask("GET", f"/v1/audit/consistency?from={sizes[0]}&to={sizes[1]}", by="dpo")
        said = response.json()
        assert (said["from"], said["to"]) == tuple(sizes)
        hashes = [base64.b64decode(one) for one in said["hashes"]]
        verify_history(first, second, hashes, log)
        assert said["checkpoint"] == (newest.decode() if second is newest else None)
        if hashes:
            with pytest.raises(ProofInvalid):
                verify_history(first, second, [bytes(32), *hashes[1:]], log)
    whole = (await shop.ask("GET", "/v1/audit/consistency?from=0", by="dpo")).json()
    assert (whole["hashes"], whole["checkpoint"]) == ([], newest.decode())


async def test_the_tiles_make_the_root_that_was_signed(shop: Shop) -> None:
    await grown(shop, BEYOND)
    signed = verify_checkpoint(await checkpoint(shop), verifier(shop))
    tiles = {}
    for level in (0, 1):
        for number in range((signed.size >> 8 * level) // 256 + 1):
            if width := tile_width(level, number, signed.size):
                tiles[level, number] = await get(shop, "/" + tile_path(level, number, width))
    assert root_at(signed.size, TileHashes(tiles)) == signed.root
    assert len(root_nodes(signed.size)) > 1
    # A bundle of entries hashes to the tile above it.
    whole = parse_bundle(await get(shop, "/tile/entries/000"))
    assert b"".join(map(leaf_hash, whole)) == tiles[0, 0]
    # A narrower tile of an earlier size is served still.
    assert await get(shop, "/tile/0/000.p/7") == tiles[0, 0][: 7 * 32]


async def test_tiles_that_there_are_not_are_not_found(shop: Shop) -> None:
    size = await shop.revision()
    wide = f"/tile/0/000.p/{size + 1}"
    for path in ("/tile/0/000", wide, "/tile/entries/000", "/tile/1/000.p/1", "/tile/0/001.p/1"):
        assert (await shop.ask("GET", path, by="dpo")).status_code == 404, path
    for path in ("/tile/0/00", "/tile/64/000", "/tile/entries/x001/000.p/0", "/tile/0/000.p/256", "/tile/"):
        assert (await shop.ask("GET", path, by="dpo")).status_code == 404, path
    with pytest.raises(ProofInvalid):
        parse_tile_path("tile/0/00")


async def test_the_log_of_releases_is_proved_too(shop: Shop) -> None:
    await shop.given(ANNA, "personalisation")
    await shop.bought(ANNA, 10)
    await shop.decision("personalisation", ANNA)
    for _ in range(50):
        response = await shop.ask("GET", "/v1/audit/proof/0?log=releases", by="dpo")
        if response.status_code == 200:
            break
        await asyncio.sleep(0.1)  # it is sealed within a second
    found = Proof.from_bytes(response.content)
    assert verify_checkpoint(found.checkpoint, verifier(shop, Log.RELEASES)).size >= 1


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/audit/proof/99999999", 409, "revision_ahead"),
        ("/v1/audit/proof/01", 400, "unreadable_body"),
        ("/v1/audit/proof/-1", 400, "unreadable_body"),
        ("/v1/audit/proof/9999999999999999999999", 400, "unreadable_body"),
        ("/v1/audit/proof/0?log=secrets", 400, "unreadable_body"),
        ("/v1/audit/consistency", 400, "unreadable_body"),
        ("/v1/audit/consistency?from=1&to=x", 400, "unreadable_body"),
        ("/v1/audit/consistency?from=1&to=0", 400, "unreadable_body"),
        ("/v1/audit/consistency?from=0&to=99999999", 409, "revision_ahead"),
    ],
)
async def test_what_cannot_be_proved_is_refused(shop: Shop, path: str, status: int, code: str) -> None:
    refused(await shop.ask("GET", path, by="dpo"), status, code)


async def test_entries_are_for_officers_and_sizes_for_whoever_keeps_a_secret(shop: Shop) -> None:
    size = await shop.revision()
    hashes, entries = f"/tile/0/000.p/{size}", f"/tile/entries/000.p/{size}"
    for by in ("collector", "issuer", "dpo", "admin"):
        await get(shop, hashes, by)
    for by in ("collector", "issuer", "admin"):
        refused(await shop.ask("GET", entries, by=by), 403, "forbidden")
    for by in ("browser", "engine:personalisation"):
        for path in (hashes, entries):
            refused(await shop.ask("GET", path, by=by), 403, "forbidden")
    for by in ("collector", "browser", "issuer", "engine:personalisation"):
        for path in ("/v1/audit/proof/0", "/v1/audit/consistency?from=0"):
            refused(await shop.ask("GET", path, by=by), 403, "forbidden")
