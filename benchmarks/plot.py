"""The drawing of a benchmark's result: a panel per figure, a bar per contender.

The bar is the median, the line over it runs from the smallest to the largest repetition, and each
repetition is a dot. Figures that are one quantity at growing sizes share a panel with two logarithmic axes:
a line per contender through its medians, its extremes shaded, and dotted what would be proportional.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

OURS, OTHERS = "#b3261e", "#5f6b7a"


def draw(document: dict[str, Any], directory: Path) -> list[Path]:
    """Draw a result as PNG and SVG.

    Args:
        document: As made by `summary.result_document`.
        directory: Where the two files go; it exists.

    Returns:
        The files written.
    """
    import matplotlib as mpl  # heavy, and only wanted when something is drawn

    mpl.use("Agg")
    mpl.rcParams.update({"svg.hashsalt": "roger_actors", "font.size": 9})
    from matplotlib import pyplot as plt

    curves = document.get("curves", [])
    drawn = {key for curve in curves for _, key in curve["points"]}
    figures = [
        f
        for f in document["figures"]
        if f["key"] not in drawn and any(f["key"] in c["figures"] for c in document["contenders"])
    ]
    heights = [3.2] * len(curves) + [0.34 * len(document["contenders"]) + 0.9] * len(figures)
    drawing, panels = plt.subplots(
        len(heights),
        1,
        figsize=(9, sum(heights) + 0.6),
        height_ratios=heights,
        squeeze=False,
        layout="constrained",
    )
    for panel, curve in zip(panels[:, 0], curves, strict=False):
        _draw_curve(panel, curve, document["contenders"])
    for panel, figure in zip(panels[len(curves) :, 0], figures, strict=True):
        _draw_panel(panel, figure, document["contenders"])
    machine = document["machine"]
    drawing.suptitle(
        f"{document['title']}\n{machine['processor']}, {machine['cores']} cores, {machine['python']}",
        fontsize=10,
    )
    files = [directory / f"{document['benchmark']}.{kind}" for kind in ("png", "svg")]
    for file in files:
        drawing.savefig(file, dpi=130, metadata={"Date": None} if file.suffix == ".svg" else None)
    plt.close(drawing)
    return files


def _draw_curve(panel: Any, curve: dict[str, Any], contenders: list[dict[str, Any]]) -> None:
    styles = {True: iter(("-", "--", ":", "-.")), False: iter(("-", "--", ":", "-."))}
    for contender in contenders:
        points = [
            (size, contender["figures"][key]) for size, key in curve["points"] if key in contender["figures"]
        ]
        sizes = [size for size, _ in points]
        ours = contender["is_ours"]
        colour, style = OURS if ours else OTHERS, next(styles[ours])
        medians = [measured["median"] for _, measured in points]
        panel.plot(sizes, medians, style, marker=".", color=colour, label=contender["name"])
        low, high = ([measured[key] for _, measured in points] for key in ("minimum", "maximum"))
        panel.fill_between(sizes, low, high, color=colour, alpha=0.12, linewidth=0)
    _draw_proportional(panel, curve, contenders)
    panel.set(xscale="log", yscale="log", xlabel=curve["along"], ylabel=f"{curve['label']} ({curve['unit']})")
    panel.legend(fontsize=7, frameon=False)
    panel.spines[["top", "right"]].set_visible(False)


def _draw_proportional(panel: Any, curve: dict[str, Any], contenders: list[dict[str, Any]]) -> None:
    """Draw what is proportional through the first contender's largest size."""
    size, key = curve["points"][-1]
    if contenders and key in contenders[0]["figures"]:
        at = contenders[0]["figures"][key]["median"]
        sizes = [size for size, _ in curve["points"]]
        line = [at * one / size for one in sizes]
        panel.plot(sizes, line, color="black", linewidth=0.8, linestyle=(0, (1, 3)), label="proportional")


def _draw_panel(panel: Any, figure: dict[str, Any], contenders: list[dict[str, Any]]) -> None:
    shown = [c for c in contenders if figure["key"] in c["figures"]]
    for row, contender in enumerate(shown):
        measured = contender["figures"][figure["key"]]
        colour = OURS if contender["is_ours"] else OTHERS
        panel.barh(row, measured["median"], color=colour, alpha=0.75, height=0.62)
        panel.plot([measured["minimum"], measured["maximum"]], [row, row], color="black", linewidth=1)
        panel.plot(measured["values"], [row] * len(measured["values"]), ".", color="black", markersize=4)
        panel.annotate(
            f" {measured['median']:,.4g}" if measured["median"] < 1000 else f" {measured['median']:,.0f}",
            (measured["maximum"], row),
            va="center",
            fontsize=8,
        )
    panel.set_yticks(range(len(shown)), [contender["name"] for contender in shown])
    panel.invert_yaxis()
    panel.margins(x=0.12)
    panel.set_xlim(left=0)
    better = "more is better" if figure["higher_is_better"] else "less is better"
    panel.set_xlabel(f"{figure['label']} ({figure['unit']}, {better})")
    panel.spines[["top", "right"]].set_visible(False)
