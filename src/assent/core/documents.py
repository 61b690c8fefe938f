"""Turn the documents of `policies/` into one checked `Policy`: nothing is guessed or half-kept.

Steps of `parse_policy`:

1. every document is known and says which format it has;
2. every table has the shape of `core/document_shapes.py`;
3. names get their numbers, which later versions keep;
4. categories, features, namespaces, purposes, signals and event schemas are compiled and checked against
   each other.

Pure. Raises PolicyInvalid alone, whose message names document, key and what was expected, and whose pointer
leads into the mapping of documents.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

import msgspec
from msgspec import Struct, structs

from assent.core import document_carriers as carried
from assent.core import document_events as described
from assent.core import document_features as made
from assent.core import document_identity as found
from assent.core import document_purposes as stated
from assent.core import document_signals as signalled
from assent.core.carried import Signal
from assent.core.document_places import Place, one_of, read
from assent.core.document_retained import read_retained
from assent.core.document_shapes import (
    LANGUAGE,
    NAME,
    AccountShape,
    CategoryShape,
    ControllerShape,
    FeatureShape,
    FeaturesShape,
    IdentityShape,
    NamespaceShape,
    NoticeShape,
    PurposeShape,
    PurposesShape,
    SignalsShape,
)
from assent.core.errors import PolicyInvalid
from assent.core.event_schema import EventSchema
from assent.core.ids import HIGHEST_BIT, FeatureId, NamespaceId, PurposeId, ViewId
from assent.core.names import EMPTY, NameBook, NameKind
from assent.core.policy import Account, Category, Controller, Feature, Namespace, Notice, Policy, Purpose

Documents = Mapping[str, Mapping[str, object]]
"""Parsed TOML or JSON objects: `purposes`, `features`, `identity`, `signals`, `controller`,
`notices/<id>.<language>`, `events/<name>`."""

Shape = TypeVar("Shape", bound=Struct)

_NOTICE: Final = re.compile(rf"notices/(?P<id>[A-Za-z][A-Za-z0-9_.:-]{{0,63}})\.(?P<language>{LANGUAGE})")
_NAME: Final = re.compile(NAME)
_NEEDED: Final = frozenset({"purposes", "features", "identity"})
_NAMES: Final = _NEEDED | {"signals", "controller"}
_SILENT: Final = SignalsShape(format="assent/signals@1")
"""Without the document no machine signal means anything; each one mapped can only narrow."""

_SMALLINT: Final = 32_767
"""PostgreSQL's smallint holds the numbers that are not bits of a mask."""

_PURPOSES: Final = Place("purposes", ("purposes",))
_RETAINED: Final = Place("purposes", ("retained",))
_CATEGORIES: Final = Place("features", ("categories",))
_FEATURES: Final = Place("features", ("features",))
_NAMESPACES: Final = Place("identity", ("namespaces",))
_ACCOUNTS: Final = Place("identity", ("accounts",))


class _Shapes(Struct, frozen=True, kw_only=True):
    """Every document in its shape, nothing compiled yet."""

    purposes: dict[str, PurposeShape]
    categories: dict[str, CategoryShape]
    features: dict[str, FeatureShape]
    namespaces: dict[str, NamespaceShape]
    accounts: dict[str, AccountShape]
    identity: IdentityShape
    signals: SignalsShape
    notices: dict[str, dict[str, Notice]]
    schemas: dict[str, EventSchema]
    controller: Controller | None
    retained: dict[str, object]


def parse_policy(
    documents: Documents, *, names: NameBook | None = None, version: int = 1
) -> tuple[Policy, NameBook]:
    """Return the policy, and `names` with its names added. Raises PolicyInvalid for the first fault."""
    _check_documents(documents)  # (1)
    shapes = _shapes(documents)  # (2)
    book = _numbered(shapes, names or EMPTY)  # (3)
    return _compiled(shapes, book, version)  # (4)


def _check_documents(documents: object) -> None:
    if not isinstance(documents, Mapping):
        raise PolicyInvalid("expected documents by name")
    for name, document in documents.items():
        if not isinstance(name, str) or not (
            name in _NAMES or _NOTICE.fullmatch(name) or described.NAME.fullmatch(name)
        ):
            raise PolicyInvalid(
                f"unknown document; {one_of(_NAMES)}, notices/<id>.<language> or events/<name>"
            )
        if not isinstance(document, Mapping):
            raise Place(name).fault("expected a table")
    for name in sorted(_NEEDED - documents.keys()):
        raise Place(name).fault("missing; expected this document")
    try:
        msgspec.json.encode(documents)
    except (TypeError, ValueError, RecursionError) as error:
        raise PolicyInvalid("expected documents that JSON can hold") from error


def _shapes(documents: Documents) -> _Shapes:
    purposes = _document(documents, "purposes", PurposesShape)
    features = _document(documents, "features", FeaturesShape)
    identity = _document(documents, "identity", IdentityShape)
    categories = made.read_categories(_CATEGORIES, _named(_CATEGORIES, features.categories))
    namespaces = found.read_namespaces(_NAMESPACES, _named(_NAMESPACES, identity.namespaces))
    accounts = found.read_accounts(_ACCOUNTS, _named(_ACCOUNTS, identity.accounts), namespaces)
    sources = {path for shape in namespaces.values() for path in shape.sources}
    sources.update(path for shape in accounts.values() for path in shape.sources)
    made.check_context(_CATEGORIES, categories, sources)
    return _Shapes(
        purposes=stated.read_purposes(_PURPOSES, _named(_PURPOSES, purposes.purposes)),
        categories=categories,
        features=made.read_features(_FEATURES, _named(_FEATURES, features.features)),
        namespaces=namespaces,
        accounts=accounts,
        identity=identity,
        signals=_document(documents, "signals", SignalsShape) if "signals" in documents else _SILENT,
        notices=_notices(documents),
        schemas=described.read_schemas(documents),
        controller=_controller(documents),
        retained=purposes.retained,
    )


def _document(documents: Documents, name: str, shape: type[Shape]) -> Shape:
    return read(Place(name), documents[name], shape)


def _controller(documents: Documents) -> Controller | None:
    if "controller" not in documents:
        return None
    shape = _document(documents, "controller", ControllerShape)
    for name in ("jurisdictions", "storage"):
        if not getattr(shape, name):
            raise Place("controller", (name,)).fault("expected at least one country, or EU")
    said = structs.asdict(shape)
    del said["format"]
    return Controller(**said)


def _named(place: Place, tables: dict[str, object]) -> dict[str, object]:
    for name in tables:
        if not _NAME.fullmatch(name):
            raise place.at(name).fault("expected a name: a letter, then at most 63 of A-Z a-z 0-9 _ . : -")
    return tables


def _notices(documents: Documents) -> dict[str, dict[str, Notice]]:
    notices: dict[str, dict[str, Notice]] = {}
    for name in sorted(documents):
        if (title := _NOTICE.fullmatch(name)) is None:
            continue
        shape = _document(documents, name, NoticeShape)
        languages = notices.setdefault(title["id"], {})
        if any(other.version != shape.version for other in languages.values()):
            raise Place(name, ("version",)).fault("expected the version that the other languages have")
        languages[title["language"]] = Notice(
            version=shape.version,
            title=shape.title,
            text=shape.text,
            benefit=shape.benefit,
            storage=shape.storage,
            hash=_hash(title["id"], title["language"], shape),
        )
    return notices


def _hash(name: str, language: str, shape: NoticeShape) -> str:
    """Return what stands for exactly this text: whoever has the notice's file can work it out again."""
    words = {
        "id": name,
        "language": language,
        "version": shape.version,
        "title": shape.title,
        "text": shape.text,
        "benefit": shape.benefit,
        "storage": shape.storage,
    }
    return hashlib.sha256(msgspec.json.encode(words, order="sorted")).hexdigest()


def _numbered(shapes: _Shapes, book: NameBook) -> NameBook:
    """Return the book with every name but the features', whose definitions must be compiled first."""
    book = book.grown(NameKind.PURPOSE, shapes.purposes)
    book = book.grown(NameKind.CATEGORY, shapes.categories)
    book = book.grown(NameKind.NAMESPACE, shapes.namespaces.keys() | shapes.accounts.keys())
    book = book.grown(NameKind.VIEW, (stated.use_key(shape.links) for shape in shapes.purposes.values()))
    _check_room(_PURPOSES, book.purpose, HIGHEST_BIT)  # sets of them are bit masks
    _check_room(_CATEGORIES, book.category, HIGHEST_BIT)
    _check_room(_NAMESPACES, book.namespace, _SMALLINT)
    _check_room(_PURPOSES, book.view, _SMALLINT)
    return book


def _check_room(place: Place, numbers: Mapping[str, int], most: int) -> None:
    if max(numbers.values(), default=0) > most:
        # A number is never given twice, so names that were removed count too.
        raise place.fault(f"expected at most {most} names over all versions, got {len(numbers)}")


def _compiled(shapes: _Shapes, book: NameBook, version: int) -> tuple[Policy, NameBook]:
    purpose_ids = {name: PurposeId(book.purpose[name]) for name in sorted(shapes.purposes)}
    categories = {
        name: made.category(_CATEGORIES.at(name), name, shape, book.category, purpose_ids, shapes.accounts)
        for name, shape in sorted(shapes.categories.items())
    }
    features, book = _features(shapes, categories, book)
    namespaces = _namespaces(shapes, book)
    signals = signalled.machine_signals(shapes.signals, purpose_ids)
    purposes = _purposes(shapes, purpose_ids, categories, book, signals)
    _check_also(categories.values(), purposes)
    uses = {stated.use_key(shape.links): stated.use_of(shape.links) for shape in shapes.purposes.values()}
    policy = Policy(
        version=version,
        purposes=purposes,
        categories={each.id: each for each in categories.values()},
        features={each.id: each for each in features},
        namespaces={each.id: each for each in namespaces},
        accounts={each.id: each for each in _accounts(shapes, book)},
        views={ViewId(book.view[key]): use for key, use in sorted(uses.items())},
        conflict=shapes.identity.conflict,
        identifiers_per_profile=shapes.identity.identifiers_per_profile,
        links_per_identifier=shapes.identity.links_per_identifier,
        probable_threshold=(
            None
            if shapes.identity.probable_threshold is None
            else round(shapes.identity.probable_threshold * 1_000_000)
        ),
        singling=frozenset(shapes.identity.singling),
        linking=purpose_ids.get(stated.LINKING),
        purpose_ids=purpose_ids,
        category_ids={name: each.id for name, each in categories.items()},
        feature_ids={each.name: each.id for each in features},
        namespace_ids={each.name: each.id for each in namespaces},
        notices=shapes.notices,
        signals=signals,
        consent_mode=signalled.consent_mode(shapes.signals, purpose_ids),
        category_preferences=signalled.category_preferences(shapes.signals, purpose_ids, purposes),
        tcf=carried.tcf_terms(shapes.signals.tcf, purposes),
        gpp=carried.gpp_terms(shapes.signals.gpp, purpose_ids),
        schemas=shapes.schemas,
        controller=shapes.controller,
        retained=read_retained(_RETAINED, shapes.retained, categories),
    )
    return policy, book


def _features(
    shapes: _Shapes, categories: Mapping[str, Category], book: NameBook
) -> tuple[tuple[Feature, ...], NameBook]:
    names = {each.id: each.name for each in categories.values()}
    unnumbered = [
        made.feature(_FEATURES.at(name), name, shape, categories, book.namespace)
        for name, shape in sorted(shapes.features.items())
    ]
    made.check_carts(_FEATURES, {each.name: each for each in unnumbered})
    definitions = [made.definition(each, names[each.category]) for each in unnumbered]
    book = book.grown(NameKind.FEATURE, definitions)
    _check_room(_FEATURES, book.feature, _SMALLINT)
    pairs = zip(unnumbered, definitions, strict=True)
    return tuple(structs.replace(each, id=FeatureId(book.feature[text])) for each, text in pairs), book


def _namespaces(shapes: _Shapes, book: NameBook) -> tuple[Namespace, ...]:
    found.check_patterns(Place("identity", ("blocked_patterns",)), shapes.identity.blocked_patterns)
    return tuple(
        found.namespace(_NAMESPACES.at(name), name, shape, shapes.identity, book.namespace[name])
        for name, shape in sorted(shapes.namespaces.items())
    )


def _accounts(shapes: _Shapes, book: NameBook) -> tuple[Account, ...]:
    return tuple(
        found.account(_ACCOUNTS.at(name), name, shape, shapes.identity, book.namespace[name])
        for name, shape in sorted(shapes.accounts.items())
    )


def _purposes(
    shapes: _Shapes,
    purpose_ids: Mapping[str, PurposeId],
    categories: Mapping[str, Category],
    book: NameBook,
    signals: Mapping[str, Signal],
) -> dict[PurposeId, Purpose]:
    declared = stated.Declared(
        purposes=purpose_ids,
        categories=categories,
        views=book.view,
        notices=shapes.notices,
        signalled=frozenset(signals["sec_gpc"].purposes) if "sec_gpc" in signals else frozenset(),
        namespaces={name: NamespaceId(book.namespace[name]) for name in shapes.namespaces},
    )
    compiled = {
        number: stated.purpose(_PURPOSES.at(name), name, shapes.purposes[name], declared)
        for name, number in purpose_ids.items()
    }
    stated.check_circles(_PURPOSES, shapes.purposes)
    stated.check_notices(_PURPOSES, shapes.purposes)
    return compiled


def _check_also(categories: Iterable[Category], purposes: Mapping[PurposeId, Purpose]) -> None:
    """Refuse a further condition that nobody could ever meet, or that is no further one."""
    for category in categories:
        users = {each.id for each in purposes.values() if each.categories >> category.id & 1}
        for number, purpose in enumerate(category.also):
            place = _CATEGORIES.at(category.name, "also", number)
            if purpose not in users:
                raise place.fault("expected a purpose that has this category: it could never permit it")
            if users == {purpose}:
                raise place.fault("expected a further purpose: this one alone has the category")
