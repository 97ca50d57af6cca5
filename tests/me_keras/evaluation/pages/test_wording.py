import pytest
from run_fixture import write_run

from me_keras.evaluation.pages import run_folder, wording
from me_keras.options import Options
from pipelines import cli


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """made(name, …): a run of these options, written once."""
    top, known = tmp_path_factory.mktemp("runs"), {}

    def make(name, **options):
        if name not in known:
            known[name] = run_folder.read(write_run(top / name, **options))
        return known[name]

    return make


def test_the_motion_in_words():
    for name, words in (
        ("dgm", "the learned displacement generator, from onset to apex"),
        ("tvl1", "optical flow from onset to apex (tvl1)"),
    ):
        assert wording.motion(cli.replace(Options(), motion=name)) == words


def test_what_is_held_out(made):
    assert "leave-one-subject-out" in wording.protocol(made("plain"))["held_out"]
    several = wording.protocol(made("three", num_folds=3))
    assert several["held_out"] == "The subjects are held out in 3 groups."
    assert several["name"] == "synthetic-3" and several["title"]


def test_a_protocol_of_another_version_is_only_named(made):
    run = made("unknown", protocol="synthetic-99")
    assert wording.protocol(run) == {"name": "synthetic-99", "title": "", "held_out": ""}


def test_notes_say_what_weakens_the_numbers(made):
    assert wording.notes(made("plain")) == []
    [one_seed] = wording.notes(made("one seed", seeds=(0,)))
    assert one_seed.startswith("One seed: how far results spread") and "unknown" in one_seed
    [fitted] = wording.notes(made("ridge", seeds=(0,), model="ridge"))
    assert fitted == "One seed: nothing is drawn in fitting this model, every seed gives the same."
    [tuned] = wording.notes(made("tuned", tuned_on=("synthetic/s01",)))
    assert tuned == "Options were tuned on the reported subjects: 1 of 3."
    [several] = wording.notes(made("three", num_folds=3))
    assert several.startswith("Several subjects are held out at a time")
    [some] = wording.notes(made("some", subjects=("s01", "s02")))
    assert some == "Only some subjects were held out: s01, s02."


def test_an_older_run_is_said_to_lack_something(made):
    def forget(found):
        del found["ensemble"], found["uf1"]["ci95"]

    [note] = wording.notes(made("older", edit=forget))
    assert note.startswith("Made by an older version")


def test_why_something_is_not_shown(made):
    ridge, plain = made("ridge", seeds=(0,), model="ridge"), made("plain")
    assert "fitted by scikit-learn in one step" in wording.no_curves(ridge)
    assert "no longer in the run's folder" in wording.no_curves(plain)
    assert "scikit-learn" in wording.no_displacement(ridge)
    assert "older version" in wording.no_displacement(plain)
    assert "it has no attention" in wording.no_attention(ridge)
    assert "older version" in wording.no_attention(plain)
    off = made("off", global_fusion=False)
    assert "--no-global-fusion" in wording.no_attention(off)
    ststnet = made("ststnet", model="ststnet", motion="difference")
    assert "frl_dgt does" in wording.no_attention(ststnet)
    assert "no displacement: there is nothing to draw" in wording.no_displacement(ststnet)


def test_where_probabilities_come_from(made):
    assert "softmax" in wording.probabilities(made("ridge", seeds=(0,), model="ridge"))
    assert "smoothed by 0.1" in wording.probabilities(made("plain"))
    assert wording.probabilities(made("hard", label_smoothing=0.0)) == ""


def test_what_the_score_is_not(made):
    plain = wording.meaning(made("plain"))
    assert any("rendered cartoons" in line for line in plain)
    assert any("The page cannot know" in line for line in plain)
    assert any("sd over seeds" in line for line in plain)
    tuned = wording.meaning(made("tuned", tuned_on=("synthetic/s01",)))
    assert any("tuned on people reported here" in line for line in tuned)
