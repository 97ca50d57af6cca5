"""Trains the displacement generator on rendered faces: the weights that come with the package."""

import dataclasses
import pathlib
import sys
import time
from typing import Optional

from pipelines import cli
from pipelines.cli import option
from pipelines.schema import OptionError

EXAMPLES = """examples:
  python -m me_keras.pretrain
  python -m me_keras.pretrain --num-subjects 8 --steps 20 --out /tmp/try.npz

Renders people who are in no other set, and warms the generator up on them: by known warps, and by
warping real pairs of frames. Exit codes: 0 done, 1 training diverged or disk full, 2 wrong use,
130 stopped."""
EPOCH = 100  # steps


@dataclasses.dataclass(frozen=True)
class PretrainOptions:
    """What is rendered and trained, and where to"""

    num_subjects: int = option(160, "people to render", least=1)
    steps: int = option(1500, "training steps of 32 pairs", least=1)
    learning_rate: float = option(2e-3, "peak of the cosine schedule")
    seed: int = option(0, "of the weights, the pairs and the warps")
    out: Optional[str] = option(None, "file to write (default: the package's own)", metavar="FILE")
    jobs: int = option(0, "processes that render; 0: one per core", least=0)

    def __post_init__(self):
        cli.check(self)
        if self.steps > EPOCH and self.steps % EPOCH:
            raise OptionError(f"steps must be a multiple of {EPOCH} above it, got {self.steps}")


def main(argv=None):
    """Runs the command; returns its exit code."""
    options, debug = cli.parse(
        PretrainOptions, argv, "python -m me_keras.pretrain", __doc__, EXAMPLES
    )
    return cli.run(_command, options, stopped="stopped; nothing was written", debug=debug)


def _command(options):
    import numpy as np

    from me_keras import pretrained
    from me_keras.evaluation import data
    from me_keras.options import Options, resolve
    from me_keras.rendered_faces import rendered_faces
    from pipelines.progress import Progress

    start, out = time.perf_counter(), pathlib.Path(options.out or pretrained.PATH)
    if out.is_dir() or not out.parent.is_dir():
        raise OptionError(f"--out {out}: must be a file in a folder that is there")
    faces = rendered_faces(options.num_subjects, jobs=options.jobs)
    epoch = min(EPOCH, options.steps)
    chosen = cli.replace(
        resolve(Options(), faces.kind),
        warmup_epochs=options.steps // epoch,
        learning_rate=options.learning_rate,
        dgm_init="none",
        mixed_precision="off",
        seed=options.seed,
        # Wider than on recorded faces: the weights are to suit other cameras, too.
        gain=0.2,
        contrast=0.3,
        tone=0.3,
    )
    trainer = data.make_trainer(chosen, faces, steps_per_epoch=epoch)
    trainer.reset(options.seed)
    pairs = data.Datasets(faces, chosen.data).pairs(np.arange(len(faces)), options.seed)
    import keras

    with Progress(chosen.training.warmup_epochs, "training", "epoch") as progress:

        def advance(_, logs):
            progress.update(1, f"error {logs['error']:.4f} px")

        history = trainer.warm_up(pairs, [keras.callbacks.LambdaCallback(on_epoch_end=advance)])
    pretrained.save(trainer.model, out)
    print(
        f"{out}: error on known warps {history[-1]['error']:.4f} px, "
        f"{time.perf_counter() - start:.0f} s"
    )


if __name__ == "__main__":
    sys.exit(main())
