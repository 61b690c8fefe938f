"""What asyncpg raises when nothing is wrong with what was asked: the database is gone, going, full or busy.

Who meets one of these may ask again; who was told of one knows only that nothing was answered.
"""

from typing import Final

import asyncpg

LOST: Final = (
    OSError,  # no server at the address; a time-out, which is one of them
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # said of a connection that broke a moment ago: "not connected"
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,  # the server's disk failed it
    asyncpg.TransactionRollbackError,  # it gave way to another transaction
    asyncpg.ReadOnlySQLTransactionError,  # a standby answers in place of the primary
)
