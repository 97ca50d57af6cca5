"""Answers what is in a clip: asks a model about every window of it."""

from __future__ import annotations

import dataclasses
import os
import typing

import numpy as np

from me_keras.interpretation import occlusion
from me_keras.prediction import alignment, faces, regions, result, sources, spotting, windows
from me_keras.prediction import model as models
from me_keras.prediction.options import ClipOptions
from me_keras.prediction.watched import Watched, gap_notes, movement_notes
from pipelines.progress import Progress
from pipelines.schema import DataError

MANY = 10  # windows from which progress is shown
SLOW = 50  # frames per second, below which micro-expressions may fall between frames


class Predictor:
    """Says what is in two images, a clip or a long video. A context manager.

        with Predictor("saved_models/frl_dgt") as predictor:
            prediction = predictor("interview.mp4")

    It may be called from several threads at once. TensorFlow and the model are loaded at the first
    clip, after that was found to be there.

    Args:
        model: folder of an exported model, or one of its versions; or a `prediction.model.Model`
            that is open.
        server: "grpc://host:8500" or "http://host:8501" of TensorFlow Serving, which is then asked
            instead; `model` only names the model and holds its contract.
    Raises:
        DataError: no such model, not one for frames, or the server does not answer.
    """

    def __init__(self, model="saved_models/frl_dgt", server=None):
        is_folder = isinstance(model, (str, os.PathLike))
        self._model = models.open_model(model, server) if is_folder else model

    def __call__(self, clip, **options) -> result.Prediction:
        """Says what is in a clip.

        Args:
            clip: path of a video or of a folder of images; a sequence of image paths; or frames
                (t, h, w, 3) uint8 RGB. Two frames are onset and apex.
            options: `onset_frame`, `apex_frame`, `fps`, `window`, `stride`, `max_frames` and
                `face`, as in `options.ClipOptions`.
        Returns:
            `result.Prediction`; `figure.save` draws it.
        Raises:
            DataError: the clip or the model cannot be used; one line with a remedy.
            OptionError: a value that is not allowed.
        """
        chosen = ClipOptions(**options)
        footage = sources.open_source(clip, chosen.fps)
        window, stride = chosen.window, chosen.stride or chosen.window / 2
        spans = windows.plan(footage, window, stride, chosen.onset_frame, chosen.apex_frame)
        return _predict(footage, self._model, spans, chosen)

    def pair(self, onset, apex, **options) -> result.Prediction:
        """Says what is in two image files, as a clip of two frames with the same options.

        Raises:
            DataError: they cannot be read, are not of one size, or are the same image.
        """
        from pipelines.faces import frames

        first, second = (frames.read_frame(path) for path in (onset, apex))
        if first.shape != second.shape:
            sizes = [f"{image.shape[1]}x{image.shape[0]}" for image in (first, second)]
            raise DataError(
                f"{apex}: {sizes[1]} px, but the onset {onset} is {sizes[0]} px; take both from "
                "one recording, uncut"
            )
        if np.array_equal(first, second):
            raise DataError(f"{apex}: the same image as the onset {onset}; motion needs two")
        return self([onset, apex], **options)

    def explain(self, prediction: result.Prediction) -> result.Prediction:
        """The prediction with the occlusion of its picture: the model is asked once per region."""
        picture: typing.Any = prediction.picture
        inputs = {"regions": picture.regions[None]}
        if picture.motion is None:
            inputs |= {"onset": picture.onset[None, ..., None]}
            inputs |= {"apex": picture.apex[None, ..., None]}
        else:
            inputs |= {"motion": picture.motion[None]}
        (falls,) = occlusion.occlusion(self._model.probabilities, inputs)
        return dataclasses.replace(
            prediction, picture=dataclasses.replace(picture, occlusion=falls)
        )

    def track(self, prediction: result.Prediction) -> tuple[regions.FrameMotion, ...]:
        """How the regions moved in every frame that was looked at, of the window it shows."""
        return regions.track(self._model, prediction)

    def close(self):
        """Lets go of the model, or of the connection."""
        self._model.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _predict(footage, model, spans, options):
    """The `Prediction` of a clip, of its windows `spans`."""
    answered: list = [None] * len(spans)
    best, watched, chooser = _Best(), Watched(footage), faces.Chooser(options.face)
    for number, window, picture in _answers(footage, model, spans, options, watched, chooser):
        answered[number] = window
        if picture is not None:
            best.add(window, picture)
    if best.window is None:
        raise DataError(f"{footage.name}: no window can be used; the first: {answered[0].problem}")
    notes = [*footage.notes, *_pace_notes(footage, spans, options), *gap_notes(watched.gaps)]
    if len(spans) == 1:
        events = _only_event(footage, best.window, best.picture, watched)
    else:
        least = spotting.LEAST_PX * model.alignment.image_size / 128
        movements = watched.movements(least, options.window)
        notes += movement_notes(movements)
        events = _events(footage, model, movements, answered, options, chooser)
    facts = {**vars(best.window), "notes": (*notes, *best.window.notes)}
    return result.Prediction(
        **facts,
        source=footage.name,
        model=model.name,
        picture=best.picture,
        windows=tuple(answered),
        events=tuple(events),
        gaps=watched.gaps,
    )


def _pace_notes(footage, spans, options):
    """What is to be said of how often the face was filmed, and looked at."""
    notes = []
    if footage.seconds is not None:
        rate = 1 / float(np.median(np.diff(footage.seconds)))
        if round(rate) < SLOW:
            notes.append(
                f"{rate:.0f} frames per second: a micro-expression lasts under half a second; film "
                "at about 100"
            )
    looked = {frame for span in spans for frame in windows.spread(span, options.max_frames)}
    among = len({frame for span in spans for frame in range(span.first, span.last + 1)})
    if len(looked) < among:
        notes.append(f"{among - len(looked)} of {among} frames skipped: raise --max-frames")
    return notes


def _only_event(footage, window, picture, watched):
    """The event of a clip that is looked at as a whole: its motion, if it is beyond doubt."""
    if not window.moved or window.doubtful:
        return []
    (path,) = watched.paths
    apex = int(np.searchsorted(path.frames, window.apex))
    pull = path.places[apex] - path.places[0]
    start, end = path.frames[spotting.extent(path.places, apex, pull)].tolist()
    return [_event(footage, window, picture, (start, window.apex, end), (0,))]


def _events(footage, model, movements, answered, options, chooser):
    """Asks the model about start and apex of each movement that may be a micro-expression."""
    places = [m for m in movements if m.kind == "micro" and m.start < m.apex]
    frames = [windows.spread(windows.Span(m.start, m.apex), options.max_frames) for m in places]
    images = windows.read_windows(footage, frames)
    events, batch = [], []
    for number, shown in enumerate(_with_progress(images, len(places), footage.name, "event")):
        start, apex, end = places[number].start, places[number].apex, places[number].end
        try:
            shown = faces.cut(shown, chooser.box_at(start))
            face = "only" if options.face == "only" else "largest"
            pair = alignment.align_pair(shown, model.alignment, face, False, footage.labels[start])
        except DataError:  # seen in its windows, but not well enough to be compared
            continue
        batch.append((number, _place(footage, windows.Span(start, end), apex), pair, None))
    for at in range(0, len(batch), models.BATCH):
        for number, window, picture in _ask(model, batch[at : at + models.BATCH]):
            if window.moved and not window.doubtful:
                moment = places[number].start, places[number].apex, places[number].end
                own = [
                    index
                    for index, other in enumerate(answered)
                    if other.last >= moment[0] and other.first <= moment[-1]
                ]
                events.append(_event(footage, window, picture, moment, tuple(own)))
    return events


def _event(footage, window, picture, moment, numbers):
    """The `Event` of a window: `moment` is its start, apex and end, `numbers` its windows."""
    places = dict(zip(("start", "apex", "end"), moment))
    seconds = None
    if footage.seconds is not None:
        seconds = {name: round(float(footage.seconds[at]), 6) for name, at in places.items()}
    reading = picture.reading
    return result.Event(
        **places,
        seconds=seconds,
        predicted=window.predicted,
        probability=float(max(window.probabilities)),
        windows=numbers,
        regions=reading.regions,
        units=reading.units,
    )


class _Best:
    """Of windows in order, the one that `result.rise` chooses, without keeping all pictures."""

    def __init__(self):
        self.window = self.picture = None
        self._most = (False, -1.0)
        self._recent = []  # (window, picture) that may overlap the next

    def add(self, window, picture):
        self._recent = [(w, p) for w, p in self._recent if w.last >= window.first]
        self._recent.append((window, picture))
        if window.motion > self._most:
            self._most = window.motion
            chosen = result.rise([w for w, _ in self._recent])
            self.window, self.picture = self._recent[chosen]


def _answers(footage, model, spans, options, watched, chooser):
    """Yields (number, `Window`, its `Picture` or None) of each of the windows `spans`.

    A window without a face has a problem in place of an answer; a single one raises it.
    """
    frames = [windows.spread(span, options.max_frames) for span in spans]
    images = windows.read_windows(footage, frames)
    face = "only" if options.face == "only" else "largest"
    spot = options.apex_frame is None
    batch: list = []
    for number, window in enumerate(_with_progress(images, len(spans), footage.name, "window")):
        span, name = spans[number], footage.labels[spans[number].first]
        try:
            window = faces.cut(window, chooser.box(span.first, window[0], name))
            pair = alignment.align_pair(window, model.alignment, face, spot, name)
            place = _place(footage, span, frames[number][pair.apex])
            seen = [frames[number][index] for index in pair.seen]
            watched.add(frames[number], pair)
            batch.append((number, place, pair, _film(footage, seen, pair)))
        except DataError as error:
            if len(spans) == 1:
                raise
            until = spans[number + 1].first if number + 1 < len(spans) else span.last + 1
            watched.add_lost([frame for frame in frames[number] if frame < until], error)
            place = _place(footage, span, None)
            yield number, result.Window(**place, classes=model.classes, problem=str(error)), None
        if batch and (len(batch) == models.BATCH or number == len(spans) - 1):
            yield from _ask(model, batch)
            batch = []


def _ask(model, batch):
    """Yields number, `Window` and `Picture` of each of a batch of (number, place, pair, film)."""
    inputs = alignment.model_inputs([pair for *_, pair, _ in batch], model.alignment.image_size)
    outputs = model.ask(inputs)
    for i, (number, place, pair, film) in enumerate(batch):
        figures: dict = {name: float(outputs[of][i]) for name, of in result.OUTPUTS.items()}
        window = result.Window(
            **place,
            **figures,
            classes=model.classes,
            probabilities=tuple(outputs["probabilities"][i].astype(float).tolist()),
            doubtful=pair.doubtful,
            notes=pair.notes,
        )
        note = result.motion_note(window)
        if note:
            window = dataclasses.replace(window, notes=(*window.notes, note))
        picture = result.Picture(
            onset=inputs["onset"][i, ..., 0],
            apex=inputs["apex"][i, ..., 0],
            displacement=outputs["displacement"][i],
            regions=inputs["regions"][i],
            region_names=model.regions,
            attention=outputs["attention"][i],
            motion=inputs["motion"][i] if "motion" in inputs else None,
            film=film,
        )
        yield number, window, picture


def _place(footage, span, apex):
    places = {"first": span.first, "last": span.last, "onset": span.first, "apex": apex}
    if footage.seconds is None:
        return {**places, "seconds": None}
    known = {name: frame for name, frame in places.items() if frame is not None}
    seconds = {name: round(float(footage.seconds[frame]), 6) for name, frame in known.items()}
    return {**places, "seconds": {**dict.fromkeys(places), **seconds}}


def _film(footage, numbers, pair):
    times = None
    if footage.seconds is not None:
        times = tuple(round(float(footage.seconds[number]), 6) for number in numbers)
    return result.Film(pair.film, pair.regions, tuple(numbers), times)


def _with_progress(images, count, name, unit):
    if count < MANY:
        yield from images
        return
    with Progress(count, name, unit) as progress:
        for window in images:
            yield window
            progress.update()
