"""Laws of receipts: whatever is changed in one is found, by whichever of its parts vouches for it.

The canaries take one step of the verification away, and show that the law then finds what nobody checks.
"""

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import msgspec
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from assent.consent.receipt_schema import check_receipt
from assent.consent.statement import NoticeReference, StatementBody
from assent.core.errors import ProofInvalid
from assent.ingest import receipt_file
from assent.ingest.receipt_file import verify
from tests.support.receipts import KEY, LOG, made, with_document, words

SOME = settings(max_examples=100, deadline=None)
FEW = settings(max_examples=30, deadline=None, phases=[Phase.generate])
FILE = made().content

Json: TypeAlias = Any
Step = str | int
Path = tuple[Step, ...]


def refused(content: bytes) -> bool:
    try:
        verify(content, [LOG], [KEY])
    except ProofInvalid:
        return True
    return False


def leaves(value: Json, path: Path = ()) -> Iterator[Path]:
    """Yield the path of every value that holds no other."""
    match value:
        case dict():
            for name, inside in value.items():
                yield from leaves(inside, (*path, name))
        case list():
            for place, inside in enumerate(value):
                yield from leaves(inside, (*path, place))
        case _:
            yield path


def put(document: Json, path: Path, value: object) -> Json:
    """Return a copy with the value at `path` another one."""
    copy = json.loads(json.dumps(document))
    node = copy
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    return copy


def at(document: Json, path: Path) -> Json:
    for step in path:
        document = document[step]
    return document


PLAIN = json.loads(FILE)
PLACES = list(leaves(PLAIN))
VALUES: st.SearchStrategy[object] = (
    st.none() | st.booleans() | st.integers(-3, 10) | st.text(max_size=6) | st.just({"a": 1})
)


def flipped(case: tuple[int, int]) -> bytes:
    place, bit = case
    content = bytearray(FILE)
    content[place] ^= 1 << bit
    return bytes(content)


FLIPS = st.tuples(st.integers(0, len(FILE) - 1), st.integers(0, 7))
CHANGES = st.tuples(st.sampled_from(PLACES), VALUES).filter(
    lambda case: json.dumps(at(PLAIN, case[0])) != json.dumps(case[1])
)


def changed(case: tuple[Path, object]) -> bytes:
    return json.dumps(put(PLAIN, *case)).encode()


def test_what_was_not_touched_verifies() -> None:
    found = verify(FILE, [LOG], [KEY])
    assert (found.id, found.purpose, found.state, found.index) == ("s:5", "personalisation", "given", 5)
    assert found.checkpoint.size == 11
    # Spelled with other spaces, it says the same.
    assert verify(json.dumps(PLAIN, indent=2).encode(), [LOG], [KEY]) == found


@SOME
@given(FLIPS)
def test_any_flipped_bit_is_found(case: tuple[int, int]) -> None:
    assert refused(flipped(case))


@SOME
@given(CHANGES)
def test_any_changed_field_is_found(case: tuple[Path, object]) -> None:
    assert refused(changed(case))


@pytest.mark.parametrize("path", PLACES, ids=lambda path: "/".join(map(str, path)))
def test_every_field_is_vouched_for(path: Path) -> None:
    value = at(PLAIN, path)
    for other in (f"{value}x", value + 1 if isinstance(value, int) else ""):
        if other != value:
            assert refused(json.dumps(put(PLAIN, path, other)).encode()), path
    without = json.loads(FILE)
    node = at(without, path[:-1])
    del node[path[-1]]
    assert refused(json.dumps(without).encode()), path


@SOME
@given(
    st.builds(
        StatementBody,
        purpose=st.sampled_from(["personalisation", "analytics", "service", "*"]),
        state=st.sampled_from(
            ["given", "refused", "withdrawn", "objected", "renewed", "confirmed", "deferred", "notice_shown"]
        ),
        mechanism=st.sampled_from(["", "click", "phone"]),
        channel=st.sampled_from(["", "web"]),
        actor=st.sampled_from(["subject", "guardian", "system"]),
        explicit=st.booleans(),
        notice=st.builds(
            NoticeReference,
            id=st.sampled_from(["personalisation", "cookies"]),
            version=st.integers(-1, 3),
            language=st.sampled_from(["", "en", "it"]),
        ),
        evidence=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
    ),
    st.integers(0, 20),
)
def test_every_statement_has_a_receipt_that_verifies(body: StatementBody, index: int) -> None:
    one = made(body, index=index, size=21)
    assert verify(one.content, [LOG], [KEY]).index == index
    assert one.content == made(body, index=index, size=21).content


# Canaries.


def nothing_checked(*_: object) -> None:
    pass


def unsigned(token: str, _: object) -> bytes:
    payload = token.split(".")[1]
    return base64.urlsafe_b64decode(payload + "==")


@pytest.mark.parametrize(
    ("name", "fault", "inside"),
    [
        ("opened", unsigned, ("jws",)),
        ("_canonical", lambda _: b"", ("receipt", "dct:created")),
        ("_agree", nothing_checked, ("state",)),
        ("_agree", nothing_checked, ("id",)),
    ],
)
def test_a_step_left_out_lets_a_change_through(
    monkeypatch: pytest.MonkeyPatch, name: str, fault: Callable[..., Any], inside: Path
) -> None:
    places = [path for path in PLACES if path[: len(inside)] == inside]
    cases = st.tuples(st.sampled_from(places), st.text(min_size=1, max_size=3))
    if inside == ("jws",):
        head, payload, _ = PLAIN["jws"].split(".")
        cases = st.tuples(st.sampled_from(places), st.just(f"{head}.{payload}.AAAA"))
    with pytest.raises(NoSuchExample):
        find(cases, lambda case: not refused(changed(case)), settings=FEW)
    monkeypatch.setattr(receipt_file, name, fault)
    assert find(cases, lambda case: not refused(changed(case)), settings=FEW)


def test_a_controller_cannot_sign_what_its_own_log_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    one = made(words(state="withdrawn"))
    status = ("dpv:hasRecordOfActivity", "dpv:hasConsentStatus")
    given = at(json.loads(bytes(made().file.receipt)), status)
    lying = put(json.loads(bytes(one.file.receipt)), status, given)
    check_receipt(lying)
    with pytest.raises(ProofInvalid, match="than the entry in the log"):
        verify(with_document(one, lying).content, [LOG], [KEY])
    monkeypatch.setattr(receipt_file, "_agree", nothing_checked)
    verify(with_document(one, lying).content, [LOG], [KEY])


def test_a_record_that_its_schema_does_not_describe_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    one = made()
    odd = json.loads(bytes(one.file.receipt)) | {"dct:creator": "somebody"}
    with pytest.raises(ProofInvalid, match="schema"):
        verify(with_document(one, odd).content, [LOG], [KEY])
    monkeypatch.setattr(receipt_file, "check_receipt", nothing_checked)
    verify(with_document(one, odd).content, [LOG], [KEY])


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b"[" * 100_000, b"{" + b" " * (1 << 20)])
def test_what_is_no_receipt_is_refused(content: bytes) -> None:
    with pytest.raises(ProofInvalid):
        verify(content, [LOG], [KEY])
    assert msgspec.json.decode(FILE)
