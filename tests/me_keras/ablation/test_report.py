import copy

import numpy as np
import pandas as pd
import pytest

from me_keras.ablation import report


def score(mean):
    return {"mean": mean, "sd": 0.01, "per_seed": [mean - 0.01, mean + 0.01], "ci95": [0.1, 0.9]}


def entry(factor, row, uf1, apart=None, p_holm=None, **options):
    found = {"factor": factor, "row": row, "options": options, "folder": "x", "failed": ""}
    found |= {"uf1": score(uf1), "uar": score(uf1 - 0.02), "dgm_gain": None, "seconds": 12.4}
    found["parameters"] = 1234
    if apart:
        found |= {"difference": dict(zip(("low", "mean", "high"), apart)), "p": p_holm / 2}
        found["p_holm"] = p_holm
    return found


@pytest.fixture
def record():
    """A reference, two rows, and one that failed."""
    rows = [
        entry("reference", "reference", 0.7),
        entry("motion", "DIS flow", 0.5, (-0.3, -0.2, -0.1), 0.01, motion="dis"),
        entry("key_frames", "later", 0.72, (-0.01, 0.02, 0.06), 0.6, shift_apex=2),
    ]
    rows[0]["dgm_gain"] = 0.41
    failed = {"factor": "key_frames", "row": "earlier", "options": {"shift_apex": -2}}
    rows.append({**failed, "folder": "y", "failed": "fold s01, seed 0: no"})
    counts = {"clips": 9, "subjects": 3, "skipped": 0}
    return {
        **{"dataset": "smic", "model": "frl_dgt", "counts": counts, "seeds": 2},
        **{"tuned_on": None, "rows": rows},
    }


def test_the_table(record):
    lines = report.table(record).splitlines()
    assert lines[0] == "smic  frl_dgt  9 clips, 3 subjects, 2 seed(s)"
    assert [line.split()[0] for line in lines[2:8]] == [
        *("reference", "motion", "DIS", "key_frames", "later", "earlier")
    ]
    assert lines[2].split() == ["reference", "0.700", "0.010", "0.680", "0.41", "12"]
    shown = ["0.500", "0.010", "0.480", "-0.200", "[-0.300,", "-0.100]", "0.005", "0.010", "12"]
    assert lines[4].split()[2:] == shown
    assert lines[7].split() == ["earlier", "failed"]
    header = lines[1]
    for line, name, value in ((lines[4], "UF1", "0.500"), (lines[2], "gain", "0.41")):
        assert line.index(value) + len(value) == header.index(name) + len(name)
    assert lines[4].index("0.010", 40) + 5 == header.index("Holm") + 4
    assert "Holm: p corrected for 2 rows" in report.table(record)
    assert lines[-1] == "failed: key_frames, earlier: fold s01, seed 0: no"


def test_what_a_table_must_say_is_said(record):
    assert "gain:" in report.table(record) and "tuned" not in report.table(record)
    record["rows"][0]["dgm_gain"] = None
    record["tuned_on"] = {"note": "tuned on the reported subjects"}
    text = report.table(record)
    assert "gain:" not in text and "note: tuned on the reported subjects" in text


def test_the_csv_has_a_row_each(record, tmp_path):
    report.write(record, tmp_path)
    table = pd.read_csv(tmp_path / "ablation.csv")
    assert table["row"].tolist() == ["reference", "DIS flow", "later", "earlier"]
    reference, flow, _, failed = table.to_dict("records")
    expected = {"factor": "motion", "options": "motion=dis", "uf1": 0.5, "uf1_low": 0.1}
    expected |= {"uar": 0.48, "difference": -0.2, "difference_low": -0.3, "difference_high": -0.1}
    expected |= {"p": 0.005, "p_holm": 0.01, "seconds": 12.4, "folder": "x"}
    assert {name: flow[name] for name in expected} == expected
    assert reference["dgm_gain"] == 0.41 and np.isnan(reference["difference"])
    assert failed["failed"] == "fold s01, seed 0: no" and np.isnan(failed["uf1"])
    assert failed["options"] == "shift_apex=-2"
    assert ",1234,12.4," in (tmp_path / "ablation.csv").read_text()  # an integer


def test_the_figure_shows_the_intervals(record):
    figure = report.draw(record)
    (axes,) = figure.axes
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert labels == ["motion", "DIS flow", "key frames", "later", "earlier"]
    weights = [text.get_fontweight() for text in axes.get_yticklabels()]
    assert weights == ["bold", "normal", "bold", "normal", "normal"]
    points = [container[0] for container in axes.containers]
    places = dict(zip(labels, axes.get_yticks()))
    assert [tuple(point.get_xydata()[0]) for point in points] == [
        (-0.2, places["DIS flow"]),
        (0.02, places["later"]),
    ]
    ends = [container[2][0].get_segments()[0][:, 0] for container in axes.containers]
    np.testing.assert_allclose(ends, [(-0.3, -0.1), (-0.01, 0.06)])
    faces = [point.get_markerfacecolor() for point in points]
    assert faces == [report.BLUE, "white"]  # told from chance, or not
    texts = {text.get_text(): text.get_position()[1] for text in axes.texts}
    assert texts == {"UF1": 0, "0.500": 1, "0.720": places["later"], "failed": places["earlier"]}
    assert "reference UF1 0.700 [0.100, 0.900], 9 clips, 3 subjects" in axes.get_title(loc="left")
    assert axes.get_xlabel() == "UF1 above the reference, 95 % interval over subjects"


def test_the_same_record_gives_the_same_files(record, tmp_path):
    for name in ("one", "two"):
        report.write(copy.deepcopy(record), tmp_path / name)
    names = {path.name for path in (tmp_path / "one").iterdir()}
    assert names == {"ablation.json", "ablation.csv", "ablation.png", "ablation.svg"}
    for name in names:
        first, second = ((tmp_path / n / name).read_bytes() for n in ("one", "two"))
        assert first == second, name
    assert (tmp_path / "one/ablation.png").read_bytes()[:4] == b"\x89PNG"
    assert b"<svg" in (tmp_path / "one/ablation.svg").read_bytes()
