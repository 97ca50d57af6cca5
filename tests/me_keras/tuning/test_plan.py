import json

import pytest

from me_keras.options import NOT_OPTIONS
from me_keras.tuning import plan as module
from me_keras.tuning.options import SearchOptions
from pipelines import cli
from pipelines.schema import DataError, OptionError


def test_the_same_command_claims_its_folder_again(plan, tmp_path):
    module.claim(plan())
    module.claim(plan(max_trials=99, jobs=2, max_failures=9, num_seeds=3, report=False))
    written = json.loads((tmp_path / "tuned/config.json").read_text())
    options = cli.from_json(SearchOptions, written, ignored=NOT_OPTIONS)
    assert options.run.out == "tuned" and options.run.num_seeds == 3
    assert options.search.max_trials == 99 and options.search.only == ("learning_rate",)


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"scope": "all"}, r"tuned holds a search with another scope \(development, now all\)"),
        ({"epochs": 3}, r"another epochs \(2, now 3\)"),
        ({"seed": 1}, r"another seed \(0, now 1\)"),
        ({"only": ("hidden_dim",)}, r"of another space \(differs in hidden_dim, learning_rate\)"),
        ({"objective": "uar"}, "another objective"),
        ({"subjects": ("s01", "s02")}, "with another subjects"),
    ],
)
def test_another_search_in_the_folder_is_refused(plan, changed, message):
    module.claim(plan())
    with pytest.raises(OptionError, match=message) as caught:
        module.claim(plan(**changed))
    assert "choose another --out" in str(caught.value)


def test_other_data_in_the_folder_is_refused(plan, flow):
    import cv2

    module.claim(plan())
    image = cv2.imread(str(flow / "s01_ne_01.png"))
    cv2.imwrite(str(flow / "s01_ne_01.png"), 255 - image)
    with pytest.raises(OptionError, match="with another data_digest"):
        module.claim(plan(prepared="elsewhere"))


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("thesis.txt", "precious", "is not a search: choose another --out"),
        ("study.json", "{}", "is not a search: choose another --out"),
        ("config.json", '{"width": 32, "scope": "all"}', "or a run of another version: choose"),
    ],
)
def test_a_folder_of_something_else_is_left_alone(plan, tmp_path, name, content, message):
    (tmp_path / "tuned").mkdir()
    (tmp_path / "tuned" / name).write_text(content)
    with pytest.raises(OptionError, match=message):
        module.claim(plan())
    assert (tmp_path / "tuned" / name).read_text() == content


def test_a_damaged_config_is_named(plan, tmp_path):
    module.claim(plan())
    (tmp_path / "tuned/config.json").write_text('{"data": ')
    with pytest.raises(DataError, match=r"tuned/config.json cannot be read .*delete that folder"):
        module.claim(plan())
