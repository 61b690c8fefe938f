"""From `signals.toml` to what machines' signals and consent platforms' words mean.

What is refused: a purpose that is not declared; a category that could give without saying by which act, or
without a notice to refer to; a notice's version that the purpose does not have yet.

Pure. Raises PolicyInvalid.
"""

from collections.abc import Mapping

from assent.core.carried import CarriedChoice, CategoryPreferences, ConsentMode, Signal
from assent.core.document_places import Place, one_of
from assent.core.document_shapes import CarriedChoiceShape, SignalsShape
from assent.core.ids import PurposeId
from assent.core.policy import Purpose

_SIGNALS = "signals"


def machine_signals(shape: SignalsShape, purpose_ids: Mapping[str, PurposeId]) -> dict[str, Signal]:
    """Return what headers state, by the signal's name."""
    if shape.sec_gpc is None:
        return {}
    signal = shape.sec_gpc
    purposes = _purposes(Place(_SIGNALS, ("sec_gpc", "purposes")), signal.purposes, purpose_ids)
    return {"sec_gpc": Signal(value=signal.value, state=signal.state, purposes=purposes)}


def consent_mode(shape: SignalsShape, purpose_ids: Mapping[str, PurposeId]) -> ConsentMode | None:
    """Return what Google's consent mode closes."""
    mode = shape.consent_mode
    if mode is None:
        return None
    place = Place(_SIGNALS, ("consent_mode", "purposes"))
    return ConsentMode(
        source=mode.source,
        state=mode.state,
        purposes={
            name: _purposes(place.at(name), named, purpose_ids) for name, named in mode.purposes.items()
        },
    )


def category_preferences(
    shape: SignalsShape, purpose_ids: Mapping[str, PurposeId], purposes: Mapping[PurposeId, Purpose]
) -> CategoryPreferences | None:
    """Return what the categories of a consent platform mean."""
    said = shape.segment_consent
    if said is None:
        return None
    place = Place(_SIGNALS, ("segment_consent", "categories"))
    return CategoryPreferences(
        source=said.source,
        event=said.event,
        categories={
            name: _choice(place.at(name), choice, purpose_ids, purposes)
            for name, choice in said.categories.items()
        },
    )


def _choice(
    place: Place,
    choice: CarriedChoiceShape,
    purpose_ids: Mapping[str, PurposeId],
    purposes: Mapping[PurposeId, Purpose],
) -> CarriedChoice:
    (number,) = _purposes(place.at("purpose"), (choice.purpose,), purpose_ids, listed=False)
    if (choice.notice is None) != (choice.mechanism is None):
        missing = "notice" if choice.notice is None else "mechanism"
        raise place.at(missing).fault("missing; expected both notice and mechanism, or neither: it narrows")
    if choice.notice is not None:
        versions = [one.version for one in purposes[number].notices]
        if not versions or choice.notice > max(versions):
            raise place.at("notice").fault("expected a version that the purpose's notice has")
    return CarriedChoice(purpose=number, notice=choice.notice, mechanism=choice.mechanism or "")


def _purposes(
    place: Place, names: tuple[str, ...], purpose_ids: Mapping[str, PurposeId], *, listed: bool = True
) -> tuple[PurposeId, ...]:
    for number, name in enumerate(names):
        if name not in purpose_ids:
            raise (place.at(number) if listed else place).fault(one_of(purpose_ids))
    return tuple(purpose_ids[name] for name in dict.fromkeys(names))
