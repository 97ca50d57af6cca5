"""An embedded database: rendered faces with known micro-expressions; no licence needed."""

import pathlib

ROOT = "data/synthetic"  # where it is rendered when nobody says otherwise
SMALL = (320, 240)  # width and height of its frames then, px: under 300 MB in all
BLEND = 2.0  # of its emotions then: without it no clip is hard, and the score says nothing


def ensure(root, config=None, jobs: int = 0) -> pathlib.Path:
    """Renders the database into `root` unless it is there already.

    Args:
        root: folder of the database.
        config: `options.SynthesisConfig`; a database made with others is replaced. When None, any
            synthetic database that is there will do.
        jobs: processes; 0 for one per core.
    Returns:
        `root` as a path.
    """
    from pipelines import files
    from pipelines.synthetic import write
    from pipelines.synthetic.options import SynthesisConfig

    root = pathlib.Path(root).expanduser()
    if not write.is_there(root, config):
        with files.locked(root):
            if not write.is_there(root, config):  # another process may just have made it
                write.generate(root, config or SynthesisConfig(frame_size=SMALL, blend=BLEND), jobs)
    return root
