"""Draw one person's graph, for an officer to read: identifiers, the links between them, what each is worth.

Pure: the same graph gives the same SVG, byte for byte. Labels are given by the caller and escaped here. It
is a drawing of evidence; nothing is decided. A link that does not count is dashed and says why; a bridge,
without which the person would fall into two, is thick.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from math import hypot
from typing import Final
from xml.sax import saxutils

import networkx as nx
from msgspec import Struct

from assent.core.ids import IdentifierId
from assent.core.policy import IdentifierKind, LinkKind
from assent.identity.explain import Tie

MOST_DRAWN: Final = 120
"""Identifiers in one drawing: beyond, nobody could read it. Those nearest to the one asked about stay."""

_LONGEST: Final = 200
"""Characters of one line of text."""

_UNIT: Final = 170
_MARGIN: Final = 110

_FILLS: Final = {
    IdentifierKind.PERSON: "#d7e8fb",
    IdentifierKind.DEVICE: "#e3f2d6",
    IdentifierKind.COOKIE: "#fbeed2",
    None: "#eeeeee",
}

_STYLE: Final = (
    "text{font:11px sans-serif;text-anchor:middle}.why{fill:#8a1c1c}.kind{fill:#555}"
    "line{stroke:#333;stroke-width:1.5}.bridge{stroke-width:4}.dropped{stroke:#b04a4a;stroke-dasharray:5 4}"
    ".node{stroke:#333;stroke-width:1.2}.asked{stroke-width:3.5}.nobody{stroke-dasharray:4 3}"
)


class Drawn(Struct, frozen=True, kw_only=True):
    """An identifier to draw. `mark` says why it is nobody's (`shared`, `generic`), None where it is."""

    label: str
    kind: IdentifierKind | None
    mark: str | None = None


def picture(
    identifiers: Mapping[IdentifierId, Drawn], ties: Sequence[Tie], asked: IdentifierId, title: str
) -> str:
    """Return an SVG document (SVG 1.1) of the graph around `asked`."""
    graph = _graph(identifiers, ties, asked)
    drawn = {one: identifiers[one] for one in graph}
    places = _places(graph)
    width = max(x for x, _ in places.values()) + _MARGIN
    height = max(y for _, y in places.values()) + _MARGIN + 40
    bridges = _bridges(graph)
    lines = [_line(tie, places, bridges) for tie in ties if _is_drawn(tie, drawn)]
    nodes = [_node(drawn[one], places[one], asked=one == asked) for one in sorted(drawn)]
    left_out = len(identifiers) - len(drawn)
    note = f"{left_out} further identifiers are not drawn" if left_out else ""
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size}>',
            f"<title>{_text(title)}</title>",
            f"<desc>{_text(_described(drawn, ties))}</desc>",
            f"<style>{_STYLE}</style>",
            *lines,
            *nodes,
            *_legend(height, note),
            "</svg>\n",
        ]
    )


def _graph(
    identifiers: Mapping[IdentifierId, Drawn], ties: Sequence[Tie], asked: IdentifierId
) -> "nx.Graph[IdentifierId]":
    """Return what is drawn: the identifiers nearest to the one asked about; edges that count say so."""
    whole: nx.Graph[IdentifierId] = nx.Graph()
    whole.add_nodes_from(sorted(identifiers))
    for tie in ties:
        pair = tie.link.low, tie.link.high
        counts = tie.fault is None or (whole.has_edge(*pair) and whole.edges[pair]["counts"])
        whole.add_edge(*pair, counts=counts)
    if len(whole) <= MOST_DRAWN:
        return whole
    near = list(nx.single_source_shortest_path_length(whole, asked))[:MOST_DRAWN]
    return whole.subgraph(near)


def _places(graph: "nx.Graph[IdentifierId]") -> dict[IdentifierId, tuple[float, float]]:
    """Lay the graph out: the same every time, far enough apart to be read."""
    if len(graph) == 1:
        return {one: (2.0 * _MARGIN, float(_MARGIN)) for one in graph}
    ordered: nx.Graph[IdentifierId] = nx.Graph()
    ordered.add_nodes_from(sorted(graph))
    ordered.add_edges_from(sorted((min(pair), max(pair)) for pair in graph.edges))
    laid = nx.kamada_kawai_layout(ordered) if nx.is_connected(ordered) else nx.circular_layout(ordered)
    side = _UNIT * max(2.0, len(ordered) ** 0.5)
    left = min(x for x, _ in laid.values())
    top = min(y for _, y in laid.values())
    return {
        one: (_MARGIN + (float(x) - left) * side / 2, _MARGIN / 2 + (float(y) - top) * side / 2)
        for one, (x, y) in laid.items()
    }


def _is_drawn(tie: Tie, drawn: Mapping[IdentifierId, Drawn]) -> bool:
    return tie.link.low in drawn and tie.link.high in drawn


def _bridges(graph: "nx.Graph[IdentifierId]") -> set[frozenset[IdentifierId]]:
    """Return the pairs without which identifiers that count together would fall apart."""
    counting = nx.Graph(pair[:2] for pair in graph.edges(data="counts") if pair[2])
    return {frozenset(pair) for pair in nx.bridges(counting)}


def _line(
    tie: Tie,
    places: Mapping[IdentifierId, tuple[float, float]],
    bridges: AbstractSet[frozenset[IdentifierId]],
) -> str:
    (x1, y1), (x2, y2) = places[tie.link.low], places[tie.link.high]
    kind = LinkKind(tie.link.kind).name.lower()
    bridge = frozenset((tie.link.low, tie.link.high)) in bridges
    css = "dropped" if tie.fault is not None else "bridge" if bridge else "kept"
    # Links of several kinds between one pair lie beside each other.
    length = hypot(x2 - x1, y2 - y1) or 1.0
    aside = (tie.link.kind - 1) * 6
    dx, dy = (y1 - y2) / length * aside, (x2 - x1) / length * aside
    x, y = (x1 + x2) / 2 + dx, (y1 + y2) / 2 + dy - 4
    why = "" if tie.fault is None else f": {tie.fault}"
    text_css = "kind" if tie.fault is None else "why"
    return (
        f'<line class="{css}" x1="{x1 + dx:.1f}" y1="{y1 + dy:.1f}" x2="{x2 + dx:.1f}" y2="{y2 + dy:.1f}"/>'
        f'<text class="{text_css}" x="{x:.1f}" y="{y:.1f}">{_text(kind + why)}</text>'
    )


def _node(one: Drawn, place: tuple[float, float], *, asked: bool) -> str:
    x, y = place
    css = " ".join(["node", *(["asked"] if asked else []), *(["nobody"] if one.mark else [])])
    fill = _FILLS[one.kind]
    if one.kind is IdentifierKind.PERSON:
        shape = f'<circle class="{css}" cx="{x:.1f}" cy="{y:.1f}" r="16" fill="{fill}"/>'
    else:
        corner = 0 if one.kind is IdentifierKind.DEVICE else 9
        shape = (
            f'<rect class="{css}" x="{x - 16:.1f}" y="{y - 12:.1f}" width="32" height="24" rx="{corner}"'
            f' fill="{fill}"/>'
        )
    mark = f'<text class="why" x="{x:.1f}" y="{y + 4:.1f}">{_text(one.mark)}</text>' if one.mark else ""
    return f'<g>{shape}{mark}<text x="{x:.1f}" y="{y + 30:.1f}">{_text(one.label)}</text></g>'


def _legend(height: float, note: str) -> list[str]:
    words = "circle: person · square: device · round: cookie · dashed: does not count · thick: a bridge"
    return [
        f'<text style="text-anchor:start" x="12" y="{height - 12:.1f}">{_text(words)}</text>',
        *([f'<text style="text-anchor:start" x="12" y="{height - 28:.1f}">{note}</text>'] if note else []),
    ]


def _described(drawn: Mapping[IdentifierId, Drawn], ties: Sequence[Tie]) -> str:
    counting = sum(tie.fault is None and _is_drawn(tie, drawn) for tie in ties)
    dropped = sum(tie.fault is not None and _is_drawn(tie, drawn) for tie in ties)
    return f"{len(drawn)} identifiers, {counting} links that count, {dropped} that do not"


def _text(words: str) -> str:
    """Return words as XML takes them: escaped, cut, without the characters that XML 1.0 has no place for."""
    kept = "".join(one if one >= " " and one not in "\ufffe\uffff" else " " for one in words)
    return saxutils.escape(kept if len(kept) <= _LONGEST else kept[: _LONGEST - 1] + "…")
