"""Speed of preparing clips, beside bare FaceMesh's in the same run.

Renders a database of small frames, prepares it, and shows FaceMesh as many 224 px crops of its
faces as it has frames, in turns and with the same numbers of processes. Rates are those of the
steady state, from the first result of each process to the last; the start is counted apart.
"""

import dataclasses
import functools
import pathlib
import resource
import statistics
import sys
import tempfile
import time

from benchmarks import report
from benchmarks.measure import Output
from pipelines import cli
from pipelines.cli import option
from pipelines.schema import OptionError

FULL = 442  # clips of the composite
CROP = 224  # side of the crops that FaceMesh is shown, px
BATCH = 32  # crops of a task, as many as frames are kept of a clip


@dataclasses.dataclass(frozen=True)
class PrepareOptions(Output):
    """What is rendered, and where the figures go."""

    clips: int = option(48, f"{FULL} measures what is otherwise estimated by proportion", least=1)
    num_frames: int = option(34, "of a clip, mean; SMIC's is 34", least=5)
    frame_size: tuple[int, ...] = option((320, 240), "px", nargs=2, metavar="PX")
    jobs: tuple[int, ...] = option((1, 2), "numbers of processes", nargs="+", metavar="N")
    repeats: int = option(3, "the median of so many is shown", least=1)

    def __post_init__(self):
        cli.check(self)
        if self.clips <= max(self.jobs):
            raise OptionError(f"clips must be more than processes, got {self.clips}")


def measure(options):
    """Renders a database and measures with each number of processes."""
    from pipelines import databases, synthetic
    from pipelines.synthetic.options import SynthesisConfig

    with tempfile.TemporaryDirectory() as folder:
        config = SynthesisConfig(
            num_subjects=-(-options.clips // 12),
            clips_per_class=4,
            num_frames=options.num_frames,
            frame_size=options.frame_size,
        )
        root = synthetic.ensure(pathlib.Path(folder, "database"), config)
        clips = databases.load("synthetic").read(root, [])[: options.clips]
        rows = {str(jobs): _row(clips, jobs, options, folder) for jobs in options.jobs}
    width, height = options.frame_size
    frames = sum(len(clip.frames) for clip in clips)
    data = f"{len(clips)} clips, {frames} frames of {width}x{height}"
    return report.Result(notes={"data": data, "first column": "processes"}, rows=rows)


def _row(clips, jobs, options, folder):
    """Medians over the repetitions, in which the two take turns."""
    runs = []
    for _ in range(options.repeats):
        prepared = prepare_rate(clips, jobs, pathlib.Path(folder, "prepared"))
        runs.append((*prepared, face_mesh_rate(clips, jobs)))
    rates, starts, bare_rates = zip(*runs)
    rate, bare = statistics.median(rates), statistics.median(bare_rates)
    start = max(starts)  # the first repetition's: the others find FaceMesh loaded
    frames = sum(len(clip.frames) for clip in clips) / len(clips)
    return {
        "prepare frames/s": rate,
        "FaceMesh faces/s": bare,
        "ratio": rate / bare,
        "start s": start,
        f"{FULL} clips s": start + FULL * frames / rate,
        "largest process MiB": _largest_process(),
    }


def prepare_rate(clips, jobs, out):
    """Frames read, aligned and written a second, and seconds until every process has a result."""
    from pipelines import parallel
    from pipelines.options import PreparationOptions
    from pipelines.prepared import preparing, records

    out.mkdir(exist_ok=True)
    prepare_clip = functools.partial(preparing.prepare_clip, preparation=PreparationOptions())
    writer, ends, start = records.Writer(out), [], time.perf_counter()
    for _, record in parallel.run(prepare_clip, clips, jobs, ordered=True):
        writer.write(record)
        ends.append(time.perf_counter())
    writer.close()
    frames = [len(clip.frames) for clip in clips]
    rate = sum(frames[jobs:]) / (ends[-1] - ends[jobs - 1])
    return rate, ends[jobs - 1] - start - sum(frames[:jobs]) / rate


def face_mesh_rate(clips, jobs):
    """Faces a second that FaceMesh finds in crops and does nothing else, in all processes."""
    from pipelines import parallel

    paths = [path for clip in clips for path in clip.frames]
    batches = [paths[i : i + BATCH] for i in range(0, len(paths), BATCH)]
    results = [result for _, result in parallel.run(find_faces, batches, jobs)]
    counts, seconds = zip(*results)
    return jobs * sum(counts) / sum(seconds)


def find_faces(paths):
    """Number of frames, and seconds that FaceMesh took on the crops of their faces."""
    import cv2
    import numpy as np

    from pipelines.faces import frames, landmarks

    points = landmarks.detect(frames.read_frame(paths[0]))
    scale = CROP / (1.8 * np.ptp(points, axis=0).max())  # room around the face, as it wants
    matrix = np.column_stack([scale * np.eye(2), CROP / 2 - scale * points.mean(0)])
    crops = [cv2.warpAffine(frames.read_frame(path), matrix, (CROP, CROP)) for path in paths]
    face_mesh, start = landmarks.face_mesh(), time.perf_counter()
    for crop in crops:
        face_mesh.process(crop)
    return len(crops), time.perf_counter() - start


def _largest_process():
    """Largest resident set of this process or one below it that has ended, MiB."""
    of = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes on macOS, KiB elsewhere
    return max(resource.getrusage(who).ru_maxrss for who in of) / unit


main = report.command(measure, PrepareOptions, __spec__.name, __doc__)
if __name__ == "__main__":
    sys.exit(main())
