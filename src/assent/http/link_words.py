"""What a link between two identifiers says, in the words and the language of the person whom it is about."""

from collections.abc import Mapping
from typing import Final

from assent.core.policy import LinkKind
from assent.http.language import FALLBACK

_WORDS: Final[Mapping[str, Mapping[LinkKind, str]]] = {
    "en": {
        LinkKind.OBSERVED: "Both were used together: one stood beside the other in what was sent to us.",
        LinkKind.ASSERTED: "Somebody who knows you both ways told us that they are one person.",
        LinkKind.CLAIMED: "A browser said so, and nobody has verified it. It opens nothing of yours.",
        LinkKind.PROBABLE: "A model holds it likely. Nobody has said so.",
    },
    "it": {
        LinkKind.OBSERVED: "Sono stati usati insieme: uno stava accanto all'altro in ciò che è arrivato.",
        LinkKind.ASSERTED: "Chi ti conosce con entrambi ci ha detto che sono la stessa persona.",
        LinkKind.CLAIMED: "Lo ha detto un browser e nessuno lo ha verificato. Non apre nulla di tuo.",
        LinkKind.PROBABLE: "Un modello lo ritiene probabile. Nessuno lo ha detto.",
    },
    "fr": {
        LinkKind.OBSERVED: "Ils ont servi ensemble : l'un figurait à côté de l'autre dans un envoi reçu.",
        LinkKind.ASSERTED: "Quelqu'un qui vous connaît sous les deux dit que c'est une seule personne.",
        LinkKind.CLAIMED: "Un navigateur l'a dit et personne ne l'a vérifié. Rien de vous n'y est ouvert.",
        LinkKind.PROBABLE: "Un modèle le tient pour probable. Personne ne l'a dit.",
    },
    "pl": {
        LinkKind.OBSERVED: "Użyto ich razem: jeden stał obok drugiego w tym, co do nas przyszło.",
        LinkKind.ASSERTED: "Ktoś, kto zna Cię pod obydwoma, powiedział nam, że to jedna osoba.",
        LinkKind.CLAIMED: "Powiedziała tak przeglądarka i nikt tego nie sprawdził. Niczego to nie otwiera.",
        LinkKind.PROBABLE: "Model uważa to za prawdopodobne. Nikt tego nie powiedział.",
    },
    "de": {
        LinkKind.OBSERVED: "Beide wurden zusammen benutzt: eines stand neben dem anderen, als etwas ankam.",
        LinkKind.ASSERTED: "Wer Sie unter beiden kennt, hat uns gesagt, dass es eine Person ist.",
        LinkKind.CLAIMED: "Ein Browser hat es gesagt, geprüft hat es niemand. Es öffnet nichts von Ihnen.",
        LinkKind.PROBABLE: "Ein Modell hält es für wahrscheinlich. Gesagt hat es niemand.",
    },
}


def link_in_words(kind: LinkKind, language: str) -> str:
    """Return what a link of this kind rests on; in English where the language is another."""
    return _WORDS.get(language, _WORDS[FALLBACK])[kind]
