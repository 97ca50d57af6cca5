import dataclasses
import json

import pytest

from me_keras.ablation import grid
from me_keras.ablation.options import AblationOptions
from me_keras.options import Options, resolve
from pipelines import cli
from pipelines.schema import OptionError


def chosen(**options):
    return grid.choose(cli.replace(AblationOptions(), **options))


@pytest.fixture
def refused(tmp_path):
    """Function: the message about a grid in a file, without the file's name."""

    def read(table, **options):
        path = tmp_path / "rows.json"
        path.write_text(table if isinstance(table, str) else json.dumps(table))
        with pytest.raises(OptionError) as error:
            chosen(grid=str(path), **options)
        assert "\n" not in str(error.value)
        return str(error.value).removeprefix(f"--grid {path}: ")

    return read


def test_every_row_changes_what_it_says_and_nothing_else():
    found = chosen()
    reference = resolve(Options(), "frames")
    assert found.reference.options == reference and found.reference.changes == {}
    assert not found.left_out
    names = [(row.factor, row.label) for row in found.rows]
    assert names == [(factor, row) for factor, rows in grid.GRID.items() for row in rows]
    for row in found.rows:
        assert row.changes == grid.GRID[row.factor][row.label]
        assert row.options == cli.replace(reference, **row.changes) != reference
    assert len({row.folder for row in found.rows} | {"reference"}) == len(found.rows) + 1


def test_the_parts_of_the_paper_are_there():
    switched = {(name, value) for row in chosen().rows for name, value in row.changes.items()}
    motions = {("motion", n) for n in ("tvl1", "dis", "farneback", "dynamic_image", "difference")}
    fusions = {(f"{n}_fusion", False) for n in ("local", "global", "face")}
    weights = {("dgm_weight", value) for value in (0, 0.1, 10)}
    trained = {("dgm", "two-stage"), ("dgm", "frozen")}
    assert motions | fusions | weights | trained | {("fusion_order", "after")} <= switched


def test_of_flow_images_what_applies_is_switched_and_the_rest_named():
    found = chosen(dataset="smic-flow")
    assert [row.folder for row in found.rows] == [
        "local_fusion=False",
        "global_fusion=False",
        "face_fusion=False",
        "face_fusion=False+global_fusion=False+local_fusion=False",
        "fusion_order=after",
        "linear_readout=False",
        "mirror_test=False",
    ]
    whys = {label: why for _, label, why in found.left_out}
    assert len(whys) + len(found.rows) == sum(map(len, grid.GRID.values()))
    assert "it holds motion images" in whys["TV-L1 flow"]
    generator = "has no effect: --motion precomputed has no displacement generator"
    assert whys["lambda 0"] == f"dgm_weight {generator}"
    assert whys["generator from nothing"] == f"dgm_init {generator}"
    assert "need frames: smic-flow holds one flow image" in whys["apex 2 frames later"]
    assert found.reasons[-1] == f"left out: ours, generator from nothing: dgm_init {generator}"
    lambdas = "lambda, lambda 0; lambda, lambda 0.1; lambda, lambda 10"
    assert f"left out: {lambdas}: dgm_weight {generator}" in found.reasons


@pytest.mark.parametrize(
    "options, label, why",
    [
        ({"motion": "dis"}, "DIS flow", "is the same as the reference, it changes nothing"),
        ({"dgm_init": "none"}, "generator from nothing", "is the same as the reference"),
        ({"local_fusion": False, "global_fusion": False}, "no fusion", "as fusion, no face fusion"),
        ({"dgm": "frozen"}, "lambda 10", "dgm_weight has no effect: with --dgm frozen"),
        ({"warmup_epochs": 0}, "no known warps in warm-up", "there is no warm-up"),
        ({"model": "ststnet"}, "no face fusion", "--model ststnet has no such part"),
        ({"model": "ridge"}, "apex 2 frames later", "ridge is fitted by scikit-learn"),
        ({"model": "ridge"}, "no mirrored face in the test", "ridge is fitted by scikit-learn"),
        ({"model": "tsfmicro"}, "DIS flow", "--model tsfmicro cannot take --motion dis"),
    ],
)
def test_what_does_not_apply_to_the_reference_is_left_out(options, label, why):
    left_out = {name: reason for _, name, reason in chosen(**options).left_out}
    assert why in left_out[label]


def test_chosen_factors_alone_in_the_order_given():
    rows = chosen(factors=("order", "fusion", "order")).rows
    assert [row.factor for row in rows] == ["order"] + ["fusion"] * 4
    with pytest.raises(OptionError) as error:
        chosen(factors=("fusion", "colour"))
    known = "motion, fusion, order, lambda, dgm, key_frames, ours"
    assert str(error.value) == f"--factors colour: not in the grid, which has {known}"
    with pytest.raises(OptionError, match=r"no row of the grid applies: .* motion images"):
        chosen(factors=("motion",), dataset="smic-flow")


def test_the_grid_as_json_is_read_back(tmp_path):
    path = tmp_path / "rows.json"
    path.write_text(grid.as_json(chosen(dataset="smic-flow")), encoding="utf-8")
    again = chosen(dataset="smic-flow", grid=str(path))
    assert again.rows == chosen(dataset="smic-flow").rows and not again.left_out
    path.write_text(grid.as_json(chosen()), encoding="utf-8")
    assert json.loads(path.read_text(encoding="utf-8")) == grid.GRID


def test_a_file_takes_the_place_of_the_grid(tmp_path):
    path = tmp_path / "rows.json"
    rows = {"wide": {"width": {"hidden_dim": 32, "filters": [8, 8]}, "λ": {"dgm_weight": 3}}}
    path.write_text(json.dumps(rows))
    one, two = chosen(grid=str(path), epochs=5).rows
    assert (one.options.model.hidden_dim, one.options.model.filters) == (32, (8, 8))
    assert one.options.training.epochs == two.options.training.epochs == 5
    assert one.folder == "filters=8-8+hidden_dim=32" and str(two) == "wide, λ"
    renamed = dataclasses.replace(two, factor="loss", label="three")
    assert renamed.folder == two.folder == "dgm_weight=3"
    long = dataclasses.replace(one, changes={"filters": tuple(range(60))})
    other = dataclasses.replace(one, changes={"filters": tuple(range(61))})
    assert len(long.folder) == 80 and long.folder[:71] == other.folder[:71] != long.folder
    assert long.folder != other.folder


SHAPE = 'expected {"factor": {"row": {"option": value}}}, as --print-grid prints it'
FUSION = {"local_fusion": False}


@pytest.mark.parametrize(
    "table, message",
    [
        ({}, SHAPE),
        ([], SHAPE),
        ({"a": {}}, f"a: {SHAPE}"),
        ({"a": [FUSION]}, f"a: {SHAPE}"),
        ({"a": {"b": {}}}, f"a, b: {SHAPE}"),
        ({"a": {"b": "dis"}}, f"a, b: {SHAPE}"),
        ('{"a": {"b": {"motion": "dis"}, "b": {"motion": "tvl1"}}}', "'b' is there twice"),
        ({"a": {"b": {"colour": 1}}}, "a, b: unknown option 'colour'; see --help-all"),
        ({"a": {"b": {"width": 1}}}, "a, b: width is now hidden_dim"),
        ({"a": {"b": {"dgm_weight": "big"}}}, "a, b: dgm_weight must be float, got 'big'"),
        ({"a": {"b": {"dgm_weight": None}}}, "a, b: dgm_weight must be one value, got None"),
        ({"a": {"b": {"dgm_weight": [1.0]}}}, "a, b: dgm_weight must be one value, got [1.0]"),
        ({"a": {"b": {"filters": 8}}}, "a, b: filters must be a list, got 8"),
        ('{"a": {"b": {"smoothness": NaN}}}', "a, b: smoothness must be a finite number, got nan"),
        ({"a": {"b": {"dropout": 2}}}, "a, b: dropout must lie in [0, 1), got 2"),
        (
            {"a": {"b": {"apex": "middle"}}},
            "a, b: apex is the same for all rows: give it as a flag",
        ),
        (
            {"a": {"b": {"protocol": "x"}}},
            "a, b: protocol is the same for all rows: give it as a flag",
        ),
        (
            {"a": {"b": {"prepared": "x"}}},
            "a, b: prepared is the same for all rows: give it as a flag",
        ),
        (
            {"a": {"b": {"motion": "dis", "dgm_weight": 0.1}}},
            "a, b: dgm_weight has no effect: --motion dis has no displacement generator",
        ),
        (
            {"a": {"b": {"dgm": "frozen", "dgm_weight": 0.1}}},
            "a, b: dgm_weight has no effect: with --dgm frozen the generator is not taught",
        ),
        (
            {"a": {"b": {"dgm_weight": 1.0}}},
            "a, b: is the same as the reference, it changes nothing",
        ),
        (
            {"a": {"b": {"dgm_init": "shipped"}}},  # as the default filters have it
            "a, b: is the same as the reference, it changes nothing",
        ),
        ({"a": {"b": FUSION}, "c": {"d": FUSION}}, "c, d: is the same as a, b"),
        (
            {"a": {"b": {"motion": "frames"}}},
            "a, b: --model frl_dgt cannot take --motion frames: choose dgm, farneback, dis, tvl1, "
            "difference, dynamic_image, ranked_image, intensity_image, precomputed",
        ),
    ],
)
def test_a_grid_that_cannot_be_is_refused_in_one_line(refused, table, message):
    assert refused(table) == message


@pytest.mark.parametrize(
    "name, value",
    [
        ("seed", 1),
        ("out", "x"),
        ("apex", "middle"),
        ("protocol", "x"),
        ("prepared", "x"),
        ("jobs", 2),
    ],
)
def test_what_all_rows_share_is_no_switch(refused, name, value):
    message = refused({"a": {"b": {name: value}}})
    assert message == f"a, b: {name} is the same for all rows: give it as a flag"


def test_of_a_file_every_row_must_apply(refused):
    table = {"a": {"b": FUSION, "c": {"shift_apex": 1}}}
    assert "a, c: shift_onset and shift_apex need frames" in refused(table, dataset="smic-flow")
    table = {"a": {"b": {"motion": "dis"}}}
    assert "a, b: --motion dis does not suit smic-flow" in refused(table, dataset="smic-flow")


def test_a_file_that_is_no_json_is_named(refused, tmp_path):
    assert "cannot be read as JSON" in refused("{'a': 1}")
    with pytest.raises(OptionError, match=r"--grid .*nowhere.json: cannot be read as JSON"):
        chosen(grid=str(tmp_path / "nowhere.json"))
