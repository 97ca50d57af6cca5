"""python tests/written/write.py: writes a trained model, and what it answers and learns next.

Once under each Keras: keras2.keras and keras3.keras, each with an .npz beside it. Tests read both
files under both.
"""

import pathlib

import keras
import numpy as np

from me_keras.models.frl_dgt import frl_dgt


def main():
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    inputs = {name: rng.random((3, 32, 32, 1)).astype(np.float32) for name in ("onset", "apex")}
    labels = np.arange(3, dtype=np.int32)
    model = frl_dgt(
        32, filters=(4,), hidden_dim=4, num_heads=2, crop_size=8, readout=2, head_dropout=0.2
    )
    model.compile()
    model.fit(inputs, labels, batch_size=3, epochs=6, shuffle=False, verbose=0)
    path = pathlib.Path(__file__).with_name(f"keras{keras.__version__[0]}.keras")
    model.save(path)
    told = {"labels": labels, "logits": np.array(model(inputs)["logits"])}
    history = model.fit(inputs, labels, batch_size=3, epochs=3, shuffle=False, verbose=0).history
    np.savez_compressed(path.with_suffix(".npz"), **inputs, **told, losses=history["loss"])


if __name__ == "__main__":
    main()
