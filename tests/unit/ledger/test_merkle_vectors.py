"""Every proof of transparency-dev/merkle is judged as that project judges it, good and bad."""

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from assent.core.errors import ProofInvalid
from assent.ledger import tree

VECTORS = Path(__file__).parents[2] / "vectors" / "merkle"

# The leaves that Certificate Transparency's reference tree is made of; the vectors' roots are of its sizes.
REFERENCE_LEAVES = tuple(
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        bytes(range(0x60, 0x70)).hex(),
    )
)


class Inclusion(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    leaf_idx: int
    tree_size: int
    root: bytes
    leaf_hash: bytes
    proof: tuple[bytes, ...] | None
    desc: str
    want_err: bool

    def check(self) -> None:
        tree.verify_inclusion(self.leaf_hash, self.leaf_idx, self.tree_size, self.proof or (), self.root)


class Consistency(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    size1: int
    size2: int
    root1: bytes
    root2: bytes
    proof: tuple[bytes, ...] | None
    desc: str
    want_err: bool

    def check(self) -> None:
        tree.verify_consistency(
            self.size1, self.size2, self.proof or (), first_root=self.root1, second_root=self.root2
        )


def load() -> dict[str, Inclusion | Consistency]:
    kinds: dict[str, type[Inclusion | Consistency]] = {"inclusion": Inclusion, "consistency": Consistency}
    return {
        str(path.relative_to(VECTORS)): msgspec.json.decode(path.read_bytes(), type=kind)
        for folder, kind in kinds.items()
        for path in sorted((VECTORS / folder).rglob("*.json"))
    }


def refused(vector: Inclusion | Consistency) -> bool:
    try:
        vector.check()
    except ProofInvalid:
        return True
    return False


def misjudged() -> list[str]:
    return [name for name, vector in load().items() if refused(vector) is not vector.want_err]


def test_there_are_196_vectors_and_12_of_them_hold() -> None:
    vectors = load()
    assert len(vectors) == 196
    assert sum(not vector.want_err for vector in vectors.values()) == 12


@pytest.mark.parametrize("name", load())
def test_a_vector_is_judged_as_its_authors_judge_it(name: str) -> None:
    vector = load()[name]
    assert refused(vector) is vector.want_err, vector.desc


def test_the_reference_leaves_give_the_roots_of_the_vectors() -> None:
    roots = {
        size: tree.Frontier().append(map(tree.leaf_hash, REFERENCE_LEAVES[:size])).root() for size in range(9)
    }
    assert roots[0] == base64.b64decode("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
    happy = [vector for name, vector in load().items() if name.endswith("happy-path.json")]
    for vector in happy:
        match vector:
            case Inclusion():
                assert roots[vector.tree_size] == vector.root
            case Consistency():
                assert (roots[vector.size1], roots[vector.size2]) == (vector.root1, vector.root2)
    assert len(happy) == 10


# Planted faults, each of which the vectors must find.


def node_without_prefix(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(left + right).digest()


def leaf_without_prefix(leaf: bytes) -> bytes:
    return hashlib.sha256(leaf).digest()


@pytest.mark.parametrize(
    ("name", "fault"),
    [("node_hash", node_without_prefix), ("_check_lengths", lambda _: None)],
)
def test_the_vectors_find_a_planted_fault(
    name: str, fault: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert misjudged() == []
    monkeypatch.setattr(tree, name, fault)
    assert misjudged()


def test_the_reference_roots_find_leaves_hashed_without_their_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "leaf_hash", leaf_without_prefix)
    with pytest.raises(AssertionError):
        test_the_reference_leaves_give_the_roots_of_the_vectors()
