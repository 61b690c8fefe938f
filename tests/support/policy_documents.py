"""The shipped policy as documents that a test may change, and small ones to start from."""

import tomllib
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from typing import Any

from assent.policies import read_folder
from assent.resources import policies_folder

Documents = dict[str, dict[str, Any]]


@cache
def _read() -> Documents:
    return read_folder(policies_folder())


def shipped() -> Documents:
    """Return the documents of `policies/`, a copy of one's own."""
    return deepcopy(_read())


def with_companies() -> Documents:
    """Return the shipped documents with companies, of which three purposes may know."""
    documents = changed(changed(shipped(), "identity", _COMPANIES), "features", _OF_COMPANIES)
    for purpose in ("personalisation", "analytics", "advertising"):
        documents["purposes"]["purposes"][purpose]["categories"].append("company")
    return documents


_COMPANIES = """
[accounts.company]
from = ["groupId"]
"""

_OF_COMPANIES = """
[categories.company]
titles.en = "The company you belong to"
accounts = ["company"]

[features.company_plan]
type = "text"
trait = "plan"
account = "company"

[features.company_seats]
type = "number"
trait = "seats"
account = "company"
"""


def put(documents: Documents, document: str, path: tuple[str | int, ...], value: object) -> Documents:
    """Return the documents with one key set, in place; a missing table on the way is made."""
    node: Any = documents.setdefault(document, {})
    for key in path[:-1]:
        node = node.setdefault(key, {}) if isinstance(node, dict) else node[key]
    node[path[-1]] = value
    return documents


def changed(documents: Documents, document: str, toml: str) -> Documents:
    """Return the documents with TOML laid over one of them or, after a minus, with one key taken out."""
    if toml.startswith("-"):
        *tables, last = toml.removeprefix("-").split(".")
        node: Any = documents[document]
        for key in tables:
            node = node[key]
        del node[last]
    else:
        _lay(documents.setdefault(document, {}), tomllib.loads(toml))
    return documents


def _lay(under: dict[str, Any], over: dict[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(under.get(key), dict):
            _lay(under[key], value)
        else:
            under[key] = value


def small(purposes: Mapping[str, Mapping[str, object]] | None = None) -> Documents:
    """Return the least documents that declare one category, one namespace and the given purposes."""
    return {
        "purposes": {"format": "assent/purposes@1", "purposes": dict(purposes or {})},
        "features": {"format": "assent/features@1", "categories": {"behaviour": {"events": ["*"]}}},
        "identity": {
            "format": "assent/identity@1",
            "namespaces": {"user_id": {"kind": "person", "priority": 1, "from": ["userId"]}},
        },
    }


def contract(**keys: object) -> dict[str, object]:
    """Return a purpose resting on a contract, with what must be said about it."""
    return {
        "title": "a purpose",
        "legal_basis": "contract",
        "categories": ["*"],
        "links": {"kinds": ["observed"], "agreement": False},
        **keys,
    }


def consent(**keys: object) -> dict[str, object]:
    """Return a purpose resting on consent to the notice `n`."""
    return contract(**{"legal_basis": "consent", "notice": "n", **keys})


def with_notice(*purposes: dict[str, object], version: int = 1) -> Documents:
    """Return small documents with the purposes `p0`, `p1`, ... and the notice `n`."""
    named = {f"p{number}": purpose for number, purpose in enumerate(purposes)}
    return {**small(named), "notices/n.en": notice(version)}


def notice(version: int = 1) -> dict[str, object]:
    """Return a notice's document."""
    return {
        "format": "assent/notice@1",
        "version": version,
        "title": "a notice",
        "text": "what is done",
        "benefit": "what it is good for",
        "storage": "how long it is kept",
    }


def new_version(documents: Documents, name: str, version: int) -> Documents:
    """Return the documents with another version of a notice, in every language it has, in place."""
    for each, document in documents.items():
        if each.startswith(f"notices/{name}."):
            document["version"] = version
    return documents
