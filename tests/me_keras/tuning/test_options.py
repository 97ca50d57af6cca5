import pytest

from me_keras.options import Options
from me_keras.tuning.options import SearchOptions
from pipelines import cli
from pipelines.schema import OptionError


@pytest.mark.parametrize(
    "values, message",
    [
        ({"max_trials": 0}, "max_trials must be at least 1, got 0"),
        ({"inner_folds": 1}, "inner_folds must be at least 2"),
        ({"max_failures": -1}, "max_failures must be at least 0"),
        ({"development_share": 1.0}, r"development_share must lie in \(0, 1\), got 1.0"),
        ({"tuner": "magic"}, "tuner must be one of random, hyperband, bayesian"),
        ({"shard": "1/2"}, "here there is --jobs"),
        ({"merge": True}, "here there is --jobs"),
        ({"strategy": "multiworker"}, "here there is --jobs"),
        ({"batch_size": 0}, "batch_size"),
        ({"jobs": 0}, "jobs must be at least 1"),
    ],
)
def test_values_out_of_range_are_named(values, message):
    with pytest.raises(OptionError, match=message):
        cli.replace(SearchOptions(), **values)


def test_the_start_is_the_options_of_loso():
    values = {"dataset": "smic-flow", "hidden_dim": 16, "objective": "uar"}
    start = cli.replace(SearchOptions(), **values).start
    assert type(start) is Options
    assert (start.dataset, start.model.hidden_dim) == ("smic-flow", 16)
