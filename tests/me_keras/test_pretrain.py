import numpy as np
import pytest

from me_keras import pretrain, pretrained
from me_keras.models.frl_dgt import displacement_model


@pytest.mark.slow
def test_the_command_makes_weights_that_load(tmp_path, capsys):
    out = tmp_path / "weights.npz"
    words = ["--num-subjects", "1", "--steps", "2", "--out", str(out), "--jobs", "1"]
    assert pretrain.main(words) == 0
    assert "error on known warps 0." in capsys.readouterr().out
    model = displacement_model(32)
    pretrained.load(model, out)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_wrong_use_is_one_line(capsys):
    with pytest.raises(SystemExit, match="2"):
        pretrain.main(["--steps", "0"])
    assert "steps must be at least 1" in capsys.readouterr().err
