"""compare.html: several runs on the same clips, ranked, with what tells them apart from chance."""

from __future__ import annotations

import os
import pathlib
import urllib.parse

from me_keras import __version__
from me_keras.evaluation.pages import charts, leaderboard, rendering, run_page, wording
from me_keras.evaluation.scores import NUM_BOOTSTRAP
from me_keras.models import MODELS
from pipelines.files import write_whole

SCORES = ("uf1", "uar", "accuracy")


def write(rows, out) -> tuple[pathlib.Path, pathlib.Path]:
    """Writes the page, and its table beside it as .csv.

    Args:
        rows: of `leaderboard.rank`. out: path of the page.
    Returns:
        tuple of both paths.
    Raises:
        OSError: one cannot be written.
    """
    out = pathlib.Path(out)
    table = out.with_suffix(".csv")
    write_whole(table, leaderboard.table(rows).to_csv(index=False, float_format="%.6g"))
    write_whole(out, render(rows, out))
    return out, table


def render(rows, out) -> str:
    """The page. `out`, its path, is what its links to the runs' pages start from."""
    base = next(row for row in rows if row.difference is None)
    others = [row for row in rows if row.difference is not None]
    scores = {row.name: {name: row.score(name) for name in SCORES} for row in rows}
    uf1 = [scores[row.name]["uf1"] for row in rows]
    means, lows, highs = ([one[part] for one in uf1] for part in ("mean", "low", "high"))
    names = [row.name for row in rows]
    figures = {"intervals": charts.intervals(names, means, lows, highs, "UF1", rows.index(base))}
    if others:
        found = [row.difference for row in others]
        figures["differences"] = charts.differences([row.name for row in others], found, "UF1")
    return rendering.page(
        "compare.html.j2",
        figures=figures,
        title=f"{len(rows)} run{'s' if others else ''} on {base.run.options.dataset}",
        protocol=wording.protocol(base.run),
        counts=base.run.results["counts"],
        classes=base.run.classes,
        databases=sorted(map(str, base.run.predictions["dataset"].unique())),
        base=base,
        others=others,
        rows=[_shown(row, scores[row.name], out) for row in rows],
        knows_parameters=any(row.run.results.get("parameters") for row in rows),
        num_bootstrap=f"{NUM_BOOTSTRAP:,}",
        notes=_notes(rows),
        version=__version__,
    )


def _shown(row, scores, out):
    run = row.run
    return {
        **scores,
        "name": row.name,
        "link": link(run.path / run_page.NAME, out),
        "model": run.options.model.name,
        "motion": run.options.model.motion or "not recorded",
        "seeds": len(run.seeds),
        "differs": leaderboard.plain_differences(row.differs),
        "is_base": row.difference is None,
        "parameters": run.results.get("parameters"),
        "seconds": run.results.get("seconds"),
        "per_class": run.results.get("per_class_f1", {}),
        "per_database": run.results.get("per_database", {}),
    }


def link(target, out) -> str | None:
    """Relative address of a file from the page `out`; None where there is no such file."""
    if not target.exists():
        return None
    path = os.path.relpath(target.resolve(), pathlib.Path(out).resolve().parent)
    return "./" + urllib.parse.quote(pathlib.PurePath(path).as_posix())


def _notes(rows):
    """What a reader must know of these runs, a line each."""
    found = []
    single = [row.name for row in rows if len(row.run.seeds) == 1 and not _draws_nothing(row)]
    if single:
        found.append(f"One seed, spread between trainings unknown: {', '.join(single)}.")
    unpaired = [row.name for row in rows if row.difference is not None and row.p is None]
    if unpaired:
        found.append(
            "No p-value, for the numbers of seeds cannot be paired with the reference's: "
            f"{', '.join(unpaired)}."
        )
    for row in rows:
        tuned = row.run.results.get("tuned_on")
        if tuned and tuned.get("reported"):
            found.append(f"{row.name}: options {tuned['note']}; its score is too high for that.")
        if not (row.run.path / run_page.NAME).exists():
            found.append(f"{row.name} has no page of its own.")
    return found


def _draws_nothing(row):
    return MODELS[row.run.options.model.name].classical


def text(rows) -> str:
    """The comparison for a terminal."""
    width = max(12, *(len(row.name) for row in rows))
    lines = [f"{'run':<{width}}  {'UF1':>6} {'sd':>6}  {'95 % interval':<16}{'UAR':>6}  p (Holm)"]
    for row in rows:
        uf1, uar = row.score("uf1"), row.score("uar")
        interval = f"{rendering.number(uf1['low'])} .. {rendering.number(uf1['high'])}"
        p = "reference" if row.difference is None else rendering.p_value(row.p_holm)
        lines.append(
            f"{row.name:<{width}}  {uf1['mean']:>6.4f} {rendering.number(uf1['sd'], 4):>6}  "
            f"{interval:<16}{uar['mean']:>6.4f}  {p}"
        )
    return "\n".join(lines)
