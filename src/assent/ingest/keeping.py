"""What is kept of a content that some purpose permits: items of features, and of an account which takes over.

Pure. Raises TypeError where a content part carries something else.
"""

import hashlib

from assent.core.ids import CategoryId, EntryIndex, IdentifierId, PurposeMask
from assent.core.policy import Policy
from assent.core.time import Instant
from assent.features.accumulate import Content, items
from assent.ingest.board_parts import KeptItem
from assent.ingest.facts import ContentBody


def content_of(body: object, category: CategoryId, at: Instant, entry: EntryIndex) -> Content:
    """Return a stored content as features take it."""
    if not isinstance(body, ContentBody):
        message = "a content part carries a ContentBody"
        raise TypeError(message)
    return Content(
        category=category,
        kind=body.kind,
        name=body.name,
        at=at,
        entry=entry,
        data=body.data,
        context=body.context,
        account=None if body.account is None else body.account.namespace,
    )


def kept_items(
    policy: Policy, owner: IdentifierId, content: Content, basis: PurposeMask, account: bytes
) -> list[KeptItem]:
    """Return the items of a content; `account` is the keyed hash of the account that it is about, if any."""
    slot = slot_of(owner, content, account)
    return [
        KeptItem(
            identifier=owner,
            category=content.category,
            basis=basis,
            item=item,
            account=account or None,
            slot=slot,
        )
        for item in items(policy, content)
    ]


def slot_of(owner: IdentifierId, content: Content, account: bytes) -> bytes | None:
    """Return what stands for the place that a content takes over from an older one; None where it takes none.

    Of each trait of an account there is one, whoever says it; of each identifier, the account of a family
    that it belongs to.
    """
    if content.account is None:
        return None
    if content.data:
        said = b"trait\0%b\0%b" % (account, "\0".join(content.data).encode())
    else:
        said = b"member\0%d\0%d" % (owner, content.account)
    return hashlib.sha256(said).digest()
