"""How well displacement is measured on people and fields not trained on.

The displacement generator as shipped, after the warm-up of a fold and after a whole fold on the
demo's people, beside classical flows, among them DIS at full resolution with 3, 10 and 20
iterations of its refinement. Faces: rendered people with expressions; the same and a photograph,
moved by fields that are known, one family of which nothing was trained on.
"""

import dataclasses
import sys
import time
import typing

import numpy as np

from benchmarks import report, setting
from benchmarks.measure import BenchOptions
from pipelines import cli
from pipelines.cli import option

EDGE = 8  # aligned pixels left out at the border, where the face is cut off
MOTION = (0.0, 0.2, 0.5, 1.0, 2.0, np.inf)  # px, bounds of the classes of true motion


@dataclasses.dataclass(frozen=True)
class DisplacementOptions:
    """What is trained and compared."""

    bench: BenchOptions = BenchOptions()
    pairs: int = option(48, "pairs of each kind of faces to compare on", least=1)
    seed: int = option(0, "first seed, of the training")
    num_seeds: int = option(3, "trainings: seed, seed + 1, …", least=1)
    train: bool = option(True, "also the generator as a fold trains it")


def compare(options):
    """Trains and measures."""
    faces, notes = kinds_of_faces(min(options.pairs, 4) if options.bench.quick else options.pairs)
    found = {}  # (method, faces) -> list of errors, one a seed
    methods = {"zero": lambda first, second: np.zeros((*first.shape, 2))}
    for method, function in {**methods, **classical_flows(), **shipped(options)}.items():
        for kind, (onset, apex, truth) in faces.items():
            found[method, kind] = [errors(function, onset, apex, truth)]
    if options.train:
        seconds = 0.0
        for seed in range(options.seed, options.seed + options.num_seeds):
            start = time.perf_counter()
            for method, function in trained(options, seed):
                for kind, (onset, apex, truth) in faces.items():
                    row = errors(function, onset, apex, truth)
                    found.setdefault((method, kind), []).append(row)
            seconds += time.perf_counter() - start
        notes["trained"] = f"seeds {options.seed} to {seed}, {seconds:.0f} s with the measuring"
    for kind, (_, _, truth) in faces.items():
        flows = {m: found[m, kind][0]["error_px"] for m in classical_flows() if m[:3] == "DIS"}
        best = min(flows, key=flows.__getitem__)
        motion = np.linalg.norm(truth, axis=-1)
        notes[kind] = (
            f"{len(truth)} pairs, motion {motion.mean():.2f} px on average, 99th percentile "
            f"{np.percentile(motion, 99):.2f} px; best DIS: {best}"
        )
        for method in {m for m, k in found if k == kind and m.startswith("DGM")}:
            found[method, kind][0]["best_dis"] = flows[best]
    records = [_record(method, kind, faces[kind], each) for (method, kind), each in found.items()]
    rows = {f"{r['method']}; {r['faces']}": _columns(r) for r in records}
    return report.Result(notes=notes, rows=rows, records=records)


def _record(method, kind, pairs, each):
    """A line of the JSON file: means over the seeds, and how far they are apart."""
    names = [name for name in each[0] if name != "best_dis"]
    means = {name: _mean([row[name] for row in each]) for name in names}
    apart = float(np.std([row["error_px"] for row in each], ddof=1)) if len(each) > 1 else None
    motion = float(np.linalg.norm(pairs[2], axis=-1).mean())
    record = {"method": method, "faces": kind, "motion_px": motion, **means, "sd_px": apart}
    if "best_dis" in each[0]:
        record["below_best_dis"] = 1 - means["error_px"] / each[0]["best_dis"]
    return record


def _mean(values):
    """None where there is nothing to average: JSON knows no NaN."""
    mean = float(np.mean(values))
    return None if np.isnan(mean) else mean


def _columns(record):
    """What the table shows of a record."""
    left_out = ("method", "faces", "motion_px", "sd_px", "below_best_dis")
    shown = {name.replace("_", " "): v for name, v in record.items() if name not in left_out}
    below = record.get("below_best_dis")
    shown["below best DIS"] = "" if below is None else f"{100 * below:.0f} %"
    return shown


def kinds_of_faces(count):
    """dict of name -> pairs and truth, and dict of notes."""
    from benchmarks import moved_faces

    notes = {}
    faces = {"rendered": moved_faces.rendered_clips(count)}
    rendered = moved_faces.rendered_faces(count)
    faces["rendered, swirls"] = moved_faces.moved(rendered, moved_faces.swirls)
    try:
        photograph = moved_faces.photograph(count)
    except ImportError:
        notes["photograph"] = "left out: needs scikit-image (python -m pip install scikit-image)"
    else:
        faces["photograph"] = moved_faces.moved(photograph, moved_faces.expression)
        faces["photograph, swirls"] = moved_faces.moved(photograph, moved_faces.swirls)
    return faces, notes


def shipped(options):
    """The generator without training, and with the shipped weights alone."""
    from me_keras import pretrained
    from me_keras.models.frl_dgt import displacement_model

    chosen = setting.options_of(options.bench)
    arguments = chosen.model.filters, chosen.model.max_displacement
    methods = {"DGM, untrained": learned(displacement_model(128, *arguments))}
    if chosen.starts_from_shipped_weights:
        model = displacement_model(128, *arguments)
        pretrained.load(model)
        methods["DGM, as shipped"] = learned(model)
    return methods


def trained(options, seed):
    """Yields the generator after warm-up, and after a whole fold: (name, function).

    Trained on all people of the demo, none of whom is compared on.
    """
    from me_keras.evaluation import data

    changes = {"warmup_epochs": 1, "epochs": 1} if options.bench.quick else {}
    chosen = setting.options_of(options.bench, seed=seed, **changes)
    if options.bench.quick:  # tiny models, but the frames are compared at their size
        chosen = cli.replace(chosen, image_size=128)
    prepared, _ = data.load_data(chosen)
    trainer = data.make_trainer(chosen, prepared)
    trainer.reset(seed)
    datasets, rows = data.Datasets(prepared, chosen.data), np.arange(len(prepared))
    if chosen.training.warmup_epochs:
        trainer.warm_up(datasets.pairs(rows, seed))
        yield "DGM, warmed up", learned(trainer.generator)
    trainer.fit(datasets.train(rows, seed))
    yield "DGM, after a fold", learned(trainer.generator)


def learned(model):
    """A displacement generator as a function of two grey images."""
    import tensorflow as tf

    @tf.function
    def call(onset, apex):
        return model({"onset": onset, "apex": apex})["displacement"]

    def displacement(first, second):
        pair = [tf.constant(image[None, ..., None] / 255, tf.float32) for image in (first, second)]
        return call(*pair).numpy()[0]

    return displacement


def classical_flows():
    """Name -> function of two grey images, with the settings of `pipelines.flow`."""
    import cv2

    from pipelines import flow

    def dis(iterations):
        made: typing.Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        made.setFinestScale(0)
        made.setVariationalRefinementIterations(iterations)
        return lambda first, second: made.calc(first, second, None)

    def of(method):
        return lambda first, second: method(np.stack([first, second]))[..., :2]

    return {
        "Farneback": of(flow.farneback),
        "TV-L1": of(flow.tvl1),
        **{f"DIS, {n} iterations": dis(n) for n in (3, 10, 20)},
    }


def errors(method, onset, apex, truth):
    """How far a method is from the truth, over all pairs.

    Returns:
        dict of floats: mean end-point error (px), reconstruction gain, that gain as a share of the
        true displacement's, median time of one pair (ms), mean angle to the truth where that is
        over 0.2 px (degrees), and the error where the true motion is of each class in `MOTION`
        (NaN where there is none).
    """
    inside = (slice(EDGE, -EDGE), slice(EDGE, -EDGE))
    method(onset[0], apex[0])  # buffers and graphs are made at the first call
    fields, times = [], []
    for first, second in zip(onset, apex):
        start = time.perf_counter()
        fields.append(np.asarray(method(first, second), np.float32))
        times.append(time.perf_counter() - start)
    gain, possible = (_gain(some, onset, apex, inside) for some in (fields, truth))
    found, true = np.stack(fields)[(slice(None), *inside)], truth[(slice(None), *inside)]
    apart, motion = np.linalg.norm(found - true, axis=-1), np.linalg.norm(true, axis=-1)
    turned = np.arctan2(*np.moveaxis(found, -1, 0)) - np.arctan2(*np.moveaxis(true, -1, 0))
    turned = np.abs(np.angle(np.exp(1j * turned)))[motion > MOTION[1]]
    by_motion = {}
    for low, high in zip(MOTION, MOTION[1:]):
        chosen = apart[(motion >= low) & (motion < high)]
        by_motion[f"{low:g}-{high:g} px"] = float(chosen.mean()) if chosen.size else float("nan")
    return {
        "error_px": float(apart.mean()),
        "gain": gain,
        "gain_to_truths": gain / possible,
        "ms": float(1e3 * np.median(times)),
        "angle_deg": float(np.degrees(turned.mean())) if turned.size else float("nan"),
        **by_motion,
    }


def _gain(fields, onset, apex, inside):
    """How much of the difference between onset and apex goes away by warping, over all pairs."""
    import cv2

    rows, columns = np.mgrid[: onset.shape[1], : onset.shape[2]].astype(np.float32)
    left = before = 0.0
    for field, first, second in zip(fields, onset, apex.astype(np.float32)):
        x, y = columns + field[..., 0], rows + field[..., 1]
        warped = cv2.remap(second, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        left += np.abs(warped - first)[inside].mean()
        before += np.abs(second - first)[inside].mean()
    return float(1 - left / before)


main = report.command(compare, DisplacementOptions, __spec__.name, __doc__)
if __name__ == "__main__":
    sys.exit(main())
