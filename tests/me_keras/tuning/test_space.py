import itertools
import json

import pytest

from me_keras.options import Options, resolve
from me_keras.tuning import space
from pipelines import cli
from pipelines.schema import OptionError

FRAMES = resolve(Options(), "frames")
FLOW = resolve(cli.replace(Options(), dataset="smic-flow"), "precomputed")
STSTNET = cli.replace(FLOW, model="ststnet")


def names(parameters):
    return {p.name for p in parameters}


@pytest.mark.parametrize("parameter", space.SPACE, ids=lambda p: p.name)
def test_every_parameter_is_an_option_with_allowed_values(parameter):
    assert parameter.name in cli.leaves(Options)
    for value in parameter.ends:
        cli.replace(FRAMES, **{parameter.name: value})
    kinds = {type(value) for value in parameter.ends}
    assert kinds == {parameter.kind}
    assert parameter.values or parameter.low < parameter.high


def test_what_the_issue_lists_is_searched():
    wanted = "filters max_displacement hidden_dim num_heads num_layers dropout stochastic_depth"
    wanted += (
        " fusion_order local_fusion global_fusion face_fusion crop_size dgm_weight reconstruction"
    )
    wanted += " smoothness edge learning_rate weight_decay epochs warmup_epochs batch_size"
    wanted += " label_smoothing weight_average mirror shift noise"
    assert set(wanted.split()) <= names(space.choose("full", (), FRAMES))


def test_all_combinations_of_sizes_fit_together():
    def values(name):
        return space.DECLARED[name].values

    for hidden_dim, num_heads in itertools.product(values("hidden_dim"), values("num_heads")):
        assert hidden_dim % num_heads == 0
    for crop, patch in itertools.product(values("crop_size"), values("patch_size")):
        assert crop % patch == 0


def test_only_what_has_an_effect_is_searched():
    frames, flow = (names(space.choose("full", (), start)) for start in (FRAMES, FLOW))
    generator = {p.name for p in space.SPACE if p.where == space.GENERATOR}
    maps = {p.name for p in space.SPACE if p.where == space.MAPS}
    assert generator <= frames and not maps & frames
    assert maps <= flow and not generator & flow
    ststnet = names(space.choose("full", (), STSTNET))
    assert "learning_rate" in ststnet and not {"hidden_dim", "fusion_order", "dropout"} & ststnet


def test_small_is_part_of_full_and_only_narrows_or_adds():
    small, full = (space.choose(name, (), FLOW) for name in ("small", "full"))
    assert set(small) < set(full) and 3 <= len(small) <= 8
    assert names(space.choose("small", ("hidden_dim", "weight_decay"), FLOW)) == {
        "hidden_dim",
        "weight_decay",
    }


def test_a_parameter_without_its_switch_is_left_out_or_freed():
    off = cli.replace(FLOW, local_fusion=False)
    chosen = ("patch_size", "learning_rate")
    assert names(space.choose("full", chosen, off)) == {"learning_rate"}
    found = {p.name: p for p in space.choose("full", chosen, FLOW)}
    assert found["patch_size"].needs is None
    both = {p.name: p for p in space.choose("full", ("patch_size", "local_fusion"), FLOW)}
    assert both["patch_size"].needs == "local_fusion"


def test_a_file_of_ranges(tmp_path):
    path = tmp_path / "space.json"
    given = {"hidden_dim": [16, 32], "dropout": {"low": 0, "high": 0.5}}
    given["learning_rate"] = [0.001, 0.01]
    path.write_text(json.dumps(given))
    found = {p.name: p for p in space.choose(str(path), (), FLOW)}
    assert found["hidden_dim"].values == (16, 32) and found["learning_rate"].values == (0.001, 0.01)
    assert (found["dropout"].low, found["dropout"].high) == (0.0, 0.5)
    assert found["dropout"].kind is float


@pytest.mark.parametrize(
    "given, message",
    [
        ({}, "nothing to search"),
        ({"hidden_dim": [16]}, "nothing to search"),
        ({"hiden_dim": [16, 32]}, "hiden_dim: cannot be searched; choose from"),
        ({"dataset": ["smic", "samm"]}, "dataset: cannot be searched"),
        ({"filters": [[8, 8], [16, 16]]}, "filters: has no effect with --model frl_dgt"),
        ({"hidden_dim": ["wide", "narrow"]}, "expected int, got 'wide'"),
        ({"hidden_dim": 16}, "expected a list of values or"),
        ({"dropout": {"low": 0.5, "high": 0.1}}, "needs low < high"),
        ({"learning_rate": {"low": 0, "high": 0.1, "log": True}}, "low > 0 with log"),
        ({"epochs": {"low": 5, "high": 9, "step": "two"}}, "step must be a number above 0"),
        ({"learning_rate": [0.1, float("nan")]}, "expected finite numbers"),
        ({"shift": [0.1, 0.9]}, "shift must lie in"),
        ({"fusion_order": {"low": 0, "high": 1}}, "give a list of values"),
        ([1], "expected a JSON object"),
    ],
)
def test_bad_files_are_named(tmp_path, given, message):
    path = tmp_path / "space.json"
    path.write_text(json.dumps(given))
    with pytest.raises(OptionError, match=message) as caught:
        space.choose(str(path), (), FLOW)
    assert "\n" not in str(caught.value)


def test_misuse_of_only_and_space():
    with pytest.raises(OptionError, match="neither small nor full nor a JSON file"):
        space.choose("tiny", (), FLOW)
    with pytest.raises(OptionError, match="--only max_displacement: has no effect"):
        space.choose("full", ("max_displacement",), FLOW)
    with pytest.raises(OptionError, match="--only width: is now hidden_dim"):
        space.choose("small", ("width",), FLOW)
    with pytest.raises(OptionError, match="--only frobnicate: cannot be searched"):
        space.choose("full", ("frobnicate",), FLOW)
    with pytest.raises(OptionError, match="--only epochs: has no effect"):
        space.choose("full", ("epochs",), FLOW, fixed=("epochs",))


@pytest.mark.parametrize("start", [FRAMES, FLOW], ids=["frames", "flow"])
def test_the_whole_space_is_declared_with_defaults_near_the_start(start):
    parameters = space.choose("full", (), start)
    hp = space.declare(parameters, start)
    assert {h.name for h in hp.space} == names(parameters)
    options = space.options_of(hp.values, start)
    for parameter in parameters:
        value, given = (cli.value_of(one, parameter.name) for one in (options, start))
        assert type(value) is parameter.kind
        near = parameter.nearest(given)
        assert value == (pytest.approx(near, rel=1e-5) if parameter.kind is float else near)


@pytest.mark.parametrize("start", [FRAMES, FLOW], ids=["frames", "flow"])
def test_random_values_stand_for_options_within_the_space(start):
    parameters = space.choose("full", (), start)
    hp = space.declare(parameters, start)
    for seed in range(20):
        for one in hp.space:
            hp.values[one.name] = one.random_sample(seed)
        hp.ensure_active_values()
        options = space.options_of(hp.values, start)  # which checks the values
        for parameter in parameters:
            value = cli.value_of(options, parameter.name)
            if parameter.values:
                assert value in parameter.values or parameter.needs
            else:
                assert parameter.low - 1e-9 <= value <= parameter.high + 1e-9


def test_a_switch_that_is_off_leaves_its_parameter_alone():
    hp = space.declare(space.choose("full", ("local_fusion", "patch_size"), FLOW), FLOW)
    (patch,) = [h for h in hp.space if h.name == "patch_size"]
    hp.values["local_fusion"] = False
    assert not hp.is_active(patch)
    hp.ensure_active_values()
    assert "patch_size" not in hp.values
    assert space.options_of(hp.values, FLOW).model.patch_size == FLOW.model.patch_size


def test_values_become_options_and_foreign_ones_are_left_out():
    values = {"filters": "8-16", "local_fusion": 0, "hidden_dim": 32}
    values["learning_rate"] = 0.00123456789
    found = space.options_of({**values, "tuner/epochs": 3, "tuner/start": 1}, FRAMES)
    training = found.training
    assert found.model.filters == (8, 16) and found.model.hidden_dim == 32
    assert found.model.local_fusion is False
    assert training.learning_rate == 0.00123457 and training.epochs == FRAMES.training.epochs


def test_nearest_value_of_the_space():
    rate, hidden_dim = space.DECLARED["learning_rate"], space.DECLARED["hidden_dim"]
    assert rate.nearest(1e-6) == rate.low and rate.nearest(0.002) == 0.002
    assert hidden_dim.nearest(30) == 32 and hidden_dim.nearest(64) == 64
    assert space.DECLARED["epochs"].nearest(34) == 30
    assert space.DECLARED["filters"].nearest((1, 2)) == (16, 32, 48)


def test_a_classical_reference_has_nothing_to_search():
    with pytest.raises(OptionError, match="--model ridge: its settings are fixed, there is"):
        space.choose("small", (), cli.replace(FLOW, model="ridge"))


def test_networks_of_frames_have_no_displacement_to_tune():
    start = cli.replace(Options(), model="tsfmicro", motion="frames")
    found = names(space.choose("full", (), start))
    assert {"gain", "apex_jitter", "learning_rate"} <= found
    assert not {"dgm_weight", "filters", "motion_gain", "hidden_dim"} & found
