import pytest

from me_keras.ablation.options import AblationOptions
from me_keras.options import Options
from pipelines import cli
from pipelines.schema import OptionError


@pytest.mark.parametrize("values", [{"shard": "1/2"}, {"merge": True}, {"strategy": "multiworker"}])
def test_what_is_for_a_single_run_is_refused(values):
    with pytest.raises(OptionError, match="for me_keras.loso: here there is --jobs"):
        cli.replace(AblationOptions(), **values)


def test_the_start_is_the_options_of_loso():
    values = {"dataset": "smic-flow", "hidden_dim": 16, "factors": ("fusion",)}
    start = cli.replace(AblationOptions(), **values).start
    assert type(start) is Options
    assert (start.dataset, start.model.hidden_dim) == ("smic-flow", 16)
