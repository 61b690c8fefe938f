"""Policy documents for a row: the least that says what the row says.

Everything a document must say and a row does not (titles, notices' texts, which links may be used) is filled
in here, the same for all.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from tests.conformance.host import Documents

NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,63}")

EVERYBODY: Final = ("person", "device", "cookie")


def purpose(**keys: object) -> dict[str, Any]:
    """Return a purpose: a contract about every category, unless the keys say otherwise."""
    return {
        "title": "a purpose",
        "legal_basis": "contract",
        "categories": ["*"],
        "links": {"kinds": ["observed", "claimed", "asserted"], "agreement": False},
        "opened_by": EVERYBODY,
        "k": 1,
        **keys,
    }


def notice(version: int = 1) -> dict[str, Any]:
    """Return a notice in English."""
    return {
        "format": "assent/notice@1",
        "version": version,
        "title": "a notice",
        "text": "what is done",
        "benefit": "what it is good for",
        "storage": "how long it is kept",
    }


def documents(
    purposes: Mapping[str, object],
    *,
    categories: Mapping[str, object],
    namespaces: Mapping[str, object],
    features: Mapping[str, object] | None = None,
    notices: Mapping[str, int] | None = None,
    signalled: Iterable[str] = (),
    identity: Mapping[str, object] | None = None,
    tcf: Mapping[str, object] | None = None,
) -> Documents:
    """Return the documents of one policy.

    `notices` are versions by id, `signalled` obey `Sec-GPC`, `tcf` says what TC strings give.
    """
    made: Documents = {
        "purposes": {"format": "assent/purposes@1", "purposes": dict(purposes)},
        "features": {
            "format": "assent/features@1",
            "categories": dict(categories),
            "features": dict(features or {}),
        },
        "identity": {"format": "assent/identity@1", "namespaces": dict(namespaces), **(identity or {})},
    }
    signal = {"value": "1", "state": "objected", "purposes": sorted(signalled)}
    signals = ({"sec_gpc": signal} if signal["purposes"] else {}) | ({"tcf": dict(tcf)} if tcf else {})
    if signals:
        made["signals"] = {"format": "assent/signals@1", **signals}
    for name, version in (notices or {}).items():
        made[f"notices/{name}.en"] = notice(version)
    return made
