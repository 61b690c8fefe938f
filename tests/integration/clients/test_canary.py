"""What these tests are worth: a service that forgets the messages it has taken is found out by them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.clients.matrix import python_client, retries_apply_nothing_twice
from tests.integration.clients.serving import Served, serving
from tests.support.database import TestDatabase


@pytest.fixture
def forgetful(fresh_database: TestDatabase, folder: Path) -> Iterator[Served]:
    with serving(fresh_database, folder, "no_message_keys") as served:
        yield served


async def test_a_service_that_forgets_messages_is_found(forgetful: Served) -> None:
    with pytest.raises(AssertionError, match=r"assert \(8, "):  # each of four orders was counted twice
        await retries_apply_nothing_twice(forgetful, python_client("rudder-python", "rudder"))
