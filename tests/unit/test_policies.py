"""The folder becomes documents that JSON can hold, and equal documents have equal digests."""

import re
from pathlib import Path

import msgspec
import pytest
from msgspec import Struct

from assent.core import document_shapes
from assent.core.documents import parse_policy
from assent.core.errors import PolicyInvalid
from assent.policies import LARGEST_BYTES, digest, read_folder
from assent.resources import policies_folder
from tests.support.policy_documents import changed, shipped


def write(folder: Path, name: str, text: str | bytes) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


def test_the_shipped_folder_is_a_policy() -> None:
    documents = read_folder(policies_folder())
    policy, _ = parse_policy(documents)
    assert {
        "service",
        "personalisation",
        "analytics",
        "email_marketing",
        "advertising",
        "identity_linking",
    } == set(policy.purpose_ids)


def test_documents_are_named_by_their_path_and_imports_are_none(tmp_path: Path) -> None:
    for name in ("purposes.toml", "notices/a.en.toml", "imports/x.toml", "notes/odd.toml", "README.md"):
        write(tmp_path, name, "a = 1\n")
    assert list(read_folder(tmp_path)) == ["notes/odd", "notices/a.en", "purposes"]


def test_times_become_text_so_that_the_ledger_reads_the_same(tmp_path: Path) -> None:
    write(tmp_path, "purposes.toml", "t = 2026-03-01T00:00:00Z\n")
    documents = read_folder(tmp_path)
    assert documents == {"purposes": {"t": "2026-03-01T00:00:00Z"}}
    assert msgspec.json.decode(msgspec.json.encode(documents)) == documents


def test_a_policy_reads_the_same_from_the_folder_and_from_canonical_json() -> None:
    documents = shipped()
    again = msgspec.json.decode(msgspec.json.encode(documents, order="sorted"))
    assert parse_policy(again) == parse_policy(documents)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = \n", "purposes.toml: expected TOML: "),
        ("a = 1\na = 2\n", "purposes.toml: expected TOML: "),
        (b"a = '\xff'\n", "purposes.toml: expected UTF-8"),
        (b"#" * (LARGEST_BYTES + 1), f"purposes.toml: expected at most {LARGEST_BYTES} bytes"),
        ("a = " + "[" * 5000, "purposes.toml: expected TOML: "),
    ],
)
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(PolicyInvalid) as refused:
        read_folder(write(tmp_path, "purposes.toml", text))
    assert str(refused.value).startswith(message)
    assert str(tmp_path) not in str(refused.value)


def test_schemas_of_events_are_documents_too(tmp_path: Path) -> None:
    write(tmp_path, "purposes.toml", "a = 1\n")
    write(tmp_path, "events/order-completed.json", '{"title": "Order Completed", "multipleOf": 0.01}')
    documents = read_folder(tmp_path)
    assert list(documents) == ["events/order-completed", "purposes"]
    assert documents["events/order-completed"] == {"title": "Order Completed", "multipleOf": 0.01}
    assert msgspec.json.decode(msgspec.json.encode(documents)) == documents


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("events/a.json", "{", "events/a.json: expected JSON: "),
        (
            "events/a.json",
            '{"a": 1, "a": 2}',
            "events/a.json: expected JSON: a member stands twice in an object",
        ),
        ("events/a.json", "[]", "events/a.json: expected JSON: expected an object"),
        ("events/a.json", "[" * 100_000, "events/a.json: expected JSON: "),
        ("events/a.json", b"\xff", "events/a.json: expected UTF-8"),
        ("events/a.toml", "a = 1", "events/a.toml: expected JSON, and a name that ends with .json"),
        ("purposes.json", "{}", "purposes.json: expected TOML, and a name that ends with .toml"),
    ],
)
def test_a_schema_that_is_no_json_or_stands_elsewhere_is_named(
    tmp_path: Path, name: str, text: str | bytes, message: str
) -> None:
    with pytest.raises(PolicyInvalid) as refused:
        read_folder(write(tmp_path, name, text))
    assert str(refused.value).startswith(message)


def test_a_folder_that_is_not_there_and_a_file_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyInvalid, match="expected a folder"):
        read_folder(tmp_path / "none")
    (tmp_path / "purposes.toml").mkdir()
    with pytest.raises(PolicyInvalid, match=r"^purposes\.toml: expected a readable file$"):
        read_folder(tmp_path)


def test_the_digest_follows_the_content_alone() -> None:
    documents = shipped()
    backwards = {name: dict(reversed(documents[name].items())) for name in reversed(documents)}
    assert digest(backwards) == digest(documents)
    assert len(digest(documents)) == 32
    assert digest(changed(documents, "purposes", "purposes.analytics.k = 11")) != digest(shipped())


def test_a_digest_of_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(PolicyInvalid, match="JSON"):
        digest({"purposes": {"a": object()}})


def test_the_readme_explains_every_key_a_document_may_hold() -> None:
    words = set(
        re.findall(
            r"[a-z_]+", " ".join(re.findall(r"`[^`]+`", (policies_folder() / "README.md").read_text()))
        )
    )
    shapes = [
        each for each in vars(document_shapes).values() if isinstance(each, type) and issubclass(each, Struct)
    ]
    keys = {key for shape in shapes for key in getattr(shape, "__struct_encode_fields__", ())}
    assert len(keys) > 50
    assert keys <= words
