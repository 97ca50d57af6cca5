"""python -m benchmarks.prepare: speed of preparing clips, beside bare FaceMesh's in the same run.

Renders a database of small frames, prepares it, and shows FaceMesh as many 224 px crops of its
faces as it has frames, in turns and with the same numbers of processes. Rates are those of the
steady state, from the first result of each process to the last; the start is told apart.
"""

import argparse
import contextlib
import glob
import json
import pathlib
import statistics
import sys
import tempfile
import threading
import time

from me_keras import console

FULL = 442  # clips of the composite
CROP = 224  # side of the crops that FaceMesh is shown, px
BATCH = 32  # crops that make an item of work, as many as frames are kept of a clip


def main(argv=None):
    """Runs the command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prepare", description=__doc__)
    parser.add_argument("--clips", type=int, default=48, help=f"{FULL} measures what is estimated")
    parser.add_argument("--num-frames", type=int, default=34, help="of a clip, mean; SMIC's is 34")
    parser.add_argument("--frame-size", type=int, nargs=2, default=(320, 240), metavar="PX")
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2], help="numbers of processes")
    parser.add_argument("--repeats", type=int, default=3, help="the median of so many is printed")
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    arguments = parser.parse_args(argv)
    console.quiet_tensorflow()
    return console.guarded(measure, arguments)


def measure(arguments):
    """Renders, measures and prints the table."""
    from pipelines.databases import synthetic
    from pipelines.synthetic import plan

    if arguments.clips <= max(arguments.jobs):
        raise ValueError(f"--clips {arguments.clips}: needs more clips than processes")
    with tempfile.TemporaryDirectory() as folder:
        per_subject = 12
        config = plan.SynthesisConfig(
            num_subjects=max(1, -(-arguments.clips // per_subject)),
            clips_per_class=per_subject // 3,
            num_frames=arguments.num_frames,
            frame_size=tuple(arguments.frame_size),
        )
        root = synthetic.ensure(pathlib.Path(folder, "database"), config)
        clips = synthetic.read(root)[: arguments.clips]
        report = [_figures(clips, jobs, arguments.repeats, folder) for jobs in arguments.jobs]
    width, height = arguments.frame_size
    frames = sum(len(clip.frames) for clip in clips)
    print(f"{len(clips)} clips, {frames} frames of {width}x{height}, {FULL} clips by proportion")
    heads = ["jobs", "prepare frames/s", "FaceMesh faces/s", "ratio", "start s"]
    heads += [f"{FULL} clips s", "peak MiB"]
    print("  ".join(heads))
    for row in report:
        print("  ".join(f"{row[head]:>{len(head)}.3g}" for head in heads))
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(report, indent=1) + "\n")


def _figures(clips, jobs, repeats, folder):
    """A row of the table: medians over the repetitions, in which the two take turns."""
    runs = []
    for _ in range(repeats):
        with peak_memory() as memory:
            prepared = prepare_rate(clips, jobs, pathlib.Path(folder, "prepared"))
        runs.append((*prepared, face_mesh_rate(clips, jobs), memory[0]))
    rates, starts, bare_rates, memory = zip(*runs)
    rate, bare = statistics.median(rates), statistics.median(bare_rates)
    start = max(starts)  # the first repetition's: the others find FaceMesh loaded
    frames = sum(len(clip.frames) for clip in clips) / len(clips)
    return {
        "jobs": jobs,
        "prepare frames/s": rate,
        "FaceMesh faces/s": bare,
        "ratio": rate / bare,
        "start s": start,
        f"{FULL} clips s": start + FULL * frames / rate,
        "peak MiB": max(memory) / 2**20,
    }


def prepare_rate(clips, jobs, out):
    """Frames read, aligned and written a second, and seconds until every process is at work."""
    from pipelines import parallel, prepare
    from pipelines.prepared import records

    out.mkdir(exist_ok=True)
    writer = records.Writer(out)
    config = prepare.PrepareConfig(jobs=jobs)
    start = time.perf_counter()
    ends = []
    for record in parallel.run(prepare._prepare_clip, clips, config, jobs):
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
    counts, seconds = zip(*parallel.run(find_faces, batches, None, jobs))
    return jobs * sum(counts) / sum(seconds)


def find_faces(paths, _=None):
    """Number of frames, and seconds that FaceMesh took on the crops of their faces."""
    import cv2
    import numpy as np

    from pipelines.faces import frames, landmarks

    points = landmarks.detect(frames.read_frame(paths[0]))
    scale = CROP / (1.8 * np.ptp(points, axis=0).max())  # room around the face, as it wants
    matrix = np.column_stack([scale * np.eye(2), CROP / 2 - scale * points.mean(0)])
    crops = [cv2.warpAffine(frames.read_frame(path), matrix, (CROP, CROP)) for path in paths]
    face_mesh = landmarks._face_mesh()
    start = time.perf_counter()
    for crop in crops:
        face_mesh.process(crop)
    return len(crops), time.perf_counter() - start


@contextlib.contextmanager
def peak_memory(every=0.2):
    """Watches the memory of this process and its children: a list of one number, bytes.

    Pages that processes share are counted once.
    """
    peak, done = [0], threading.Event()

    def watch():
        while True:
            peak[0] = max(peak[0], sum(map(_memory, _family("self"))))
            if done.wait(every):
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def _family(pid):
    """Ids of a process and of all below it; those that end meanwhile are left out."""
    yield pid
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        with contextlib.suppress(OSError):
            for child in pathlib.Path(path).read_text().split():
                yield from _family(child)


def _memory(pid):
    with contextlib.suppress(OSError):
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return 1024 * int(line.split()[1])
    return 0


if __name__ == "__main__":
    sys.exit(main())
