"""Which models speak of people, and what for: what an officer is asked (GDPR Art. 13(2)(f), 22)."""

from msgspec import Struct

from assent.core.policy import Feature, Model, Policy


class UsedModel(Struct, frozen=True, kw_only=True):
    """A feature that a model computed elsewhere, and the purposes that may use it."""

    feature: str
    category: str
    model: str
    version: str
    purposes: tuple[str, ...]
    automated_significant: tuple[str, ...]
    """Those of the purposes that decide about people with significant effect."""


def model_of(policy: Policy, feature: Feature) -> Model | None:
    """Return what computed a feature's values elsewhere; of a trait's history, the trait's."""
    of = feature.trait, feature.account
    alike = (one.model for one in policy.features.values() if one.trait and (one.trait, one.account) == of)
    return feature.model or next(filter(None, alike), None)


def models(policy: Policy) -> list[UsedModel]:
    """Return the models of a policy, by the name of what they computed."""
    found: list[UsedModel] = []
    for feature in sorted(policy.features.values(), key=lambda one: one.name):
        if feature.model is not None:
            users = [one for one in policy.purposes.values() if one.categories >> feature.category & 1]
            found.append(
                UsedModel(
                    feature=feature.name,
                    category=policy.categories[feature.category].name,
                    model=feature.model.name,
                    version=feature.model.version,
                    purposes=tuple(sorted(one.name for one in users)),
                    automated_significant=tuple(
                        sorted(one.name for one in users if one.automated_significant)
                    ),
                )
            )
    return found
