"""Says what is in two images, a clip or a long video: the emotion, and how the face moved."""

import os
import sys

import me_keras
from me_keras.prediction.options import TEXTS, PredictOptions
from pipelines import cli
from pipelines.schema import DataError

EXAMPLES = """examples:
  python -m me_keras.predict --onset neutral.png --apex peak.png
  python -m me_keras.predict --clip s01_ne_01/ --fps 100 --figure answer.png
  python -m me_keras.predict --clip interview.mp4 --figure answer.png --csv windows.csv
  python -m me_keras.predict --clip interview.mp4 --events interview.eaf --face left
  python -m me_keras.predict --clip clip.avi --explain why.png --regions motion.csv
  python -m me_keras.predict --clip a.avi b.avi c/ --json - --server grpc://localhost:8500

A clip is a video, or a folder of images numbered in their names. Without --onset-frame its first
frame is the onset; the apex is spotted. A video longer than --window is answered window by window.
The faces are found and aligned as in training. Exit codes: 0 done, 1 a file cannot be written,
2 wrong use or unusable data (of several clips the others are answered), 130 stopped."""

MAX_PIXELS = 2**27  # of an image; a hostile header must not fill the memory


def main(argv=None):
    """Runs the command; returns its exit code."""
    options, debug = cli.parse(
        PredictOptions, argv, "python -m me_keras.predict", __doc__, EXAMPLES
    )
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PIXELS))  # before cv2 is loaded
    return cli.run(_command, options, debug=debug)


def _command(options):
    from me_keras.prediction import outputs, table

    sources = options.sources
    outputs.check_places(options.output)
    predictions, failed, tracks = {}, {}, {}
    with me_keras.Predictor(options.answer.model, options.answer.server) as predictor:
        for source in sources:
            name = source if isinstance(source, str) else " ".join(source)
            ask = predictor if isinstance(source, str) else predictor.pair
            clip = (source,) if isinstance(source, str) else source
            try:
                found = ask(*clip, **vars(options.clip))
                if options.output.explain:
                    found = predictor.explain(found)
                if options.output.regions:
                    tracks[name] = predictor.track(found)
                predictions[name] = found
            except DataError as error:
                failed[name] = str(error)
    written = [getattr(options.output, name) for name in TEXTS]
    if predictions and "-" not in written:
        print(table.text(list(predictions.values())))
    outputs.write(options.output, predictions, failed, tracks)
    problems = [_named(*item) for item in failed.items()]
    for problem in problems[:-1]:
        print(f"error: {problem}", file=sys.stderr)
    if problems:
        raise DataError(problems[-1])


def _named(source, problem):
    """`problem`, with the clip it is about where it does not name it itself."""
    return problem if any(part in problem for part in source.split()) else f"{source}: {problem}"


if __name__ == "__main__":
    sys.exit(main())
