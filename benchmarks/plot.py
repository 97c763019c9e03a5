"""The drawing of a benchmark's result: a panel per figure, a bar per contender.

The bar is the median, the line over it runs from the smallest to the largest repetition, and each
repetition is a dot.
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

    figures = [
        f for f in document["figures"] if any(f["key"] in c["figures"] for c in document["contenders"])
    ]
    rows = len(document["contenders"])
    drawing, panels = plt.subplots(
        len(figures),
        1,
        figsize=(9, (0.34 * rows + 0.9) * len(figures) + 0.6),
        squeeze=False,
        layout="constrained",
    )
    for panel, figure in zip(panels[:, 0], figures, strict=True):
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
