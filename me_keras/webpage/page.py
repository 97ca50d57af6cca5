"""The layout of the page, and what happens when a film comes, is measured, or a browser leaves."""

from __future__ import annotations

import pathlib
import traceback
import typing

import gradio as gr

from me_keras.prediction.displacement_only import names_classes
from me_keras.webpage import measurement, report
from me_keras.webpage.uploads import Uploads
from pipelines.schema import DataError, OptionError

TITLE = "How a face moved"
AT_ONCE, WAITING = 1, 8  # films measured at the same time, and browsers that wait for their turn
FACES = [("refuse the film", "only"), ("take the largest", "largest")]
FACES += [(f"take the one at the {side}", side) for side in ("left", "right")]
FACES += [("take the one in the middle", "middle")]
CSS = pathlib.Path(__file__).with_name("templates") / "page.css"
THEME = gr.themes.Base(
    primary_hue="blue",
    font=["system-ui", "-apple-system", "Segoe UI", "DejaVu Sans", "sans-serif"],
    font_mono=["ui-monospace", "DejaVu Sans Mono", "monospace"],
).set(block_info_text_color="#59626c", block_info_text_color_dark="#a2abb5")
INTRODUCTION = """# {title}
Upload a short film of one face, or record one. The page finds the face, the apex of its movement
and the displacement that led there. {who}

**What this is not.** {not_this} Do not use it to judge a person.

Films of up to {seconds:g} s and {megabytes} MB; longer ones are refused. Films that a browser
cannot play, such as AVI, are measured all the same. A film stays on the machine that runs this
page, and is deleted when it is answered or this tab is closed.
"""
WITHOUT_CLASSES = (
    "No trained classifier is loaded: it shows how the face moved and names no emotion."
)
WITH_CLASSES = "A classifier says which class of its database the movement resembles."
NOT_MOTION = "Movement is not emotion: people move their faces for many reasons."
NOT_CLASS = (
    "The labels of micro-expression databases say what a film was meant to induce, not what a "
    "person felt, and people move their faces for many reasons."
)


class Gone(Exception):
    """The browser has left: nobody waits for the answer."""


def build(models: typing.Sequence, uploads: Uploads, seconds: float, megabytes: int) -> gr.Blocks:
    """The page.

    Args:
        models: one or two `prediction.model.Model`, which answer side by side.
        uploads: of the folder that Gradio puts uploads in.
        seconds, megabytes: of a film, at most.
    """

    def came(path, request: gr.Request):
        uploads.hold(_session(request), path)

    def answer(path, fps, face, request: gr.Request, progress=gr.Progress()):  # noqa: B008
        session = _session(request)
        uploads.hold(session, path)

        def going(text):
            if uploads.is_gone(session):
                raise Gone
            progress(measurement.STEPS.index(text) / len(measurement.STEPS), desc=text)

        try:
            return answer_html(models, path, seconds, fps or None, face, going), None
        finally:
            uploads.release(session)

    def left(request: gr.Request):
        uploads.leave(_session(request))

    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        gr.Markdown(introduction(models, seconds, megabytes), elem_id="introduction")
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=300):
                film = gr.Video(label="Film", sources=["upload", "webcam"], elem_id="film")
                # Gradio would have FFmpeg take the sound out of a film; here nobody listens to it.
                film.include_audio = False
                film.preprocess = _path  # type: ignore[method-assign]
            with gr.Column(scale=2, min_width=260):
                fps = gr.Number(
                    0,
                    label="Frames per second as filmed",
                    info="0: as the film says. High-speed cameras make films that play slowly.",
                    minimum=0,
                )
                face = gr.Dropdown(FACES, value="only", label="Of several faces")
                button = gr.Button("Measure", variant="primary")
        shown = gr.HTML(elem_id="shown")
        private: typing.Any = {"api_visibility": "private"}
        film.change(came, film, None, queue=False, show_progress="hidden", **private)
        button.click(
            answer, [film, fps, face], [shown, film], concurrency_limit=AT_ONCE,
            show_progress_on=shown, **private,
        )  # fmt: skip
        page.unload(left)
    page.queue(max_size=WAITING)
    return page


def introduction(models: typing.Sequence, seconds: float, megabytes: int) -> str:
    """What the page says of itself, as Markdown."""
    classes = any(map(names_classes, models))
    return INTRODUCTION.format(
        title=TITLE,
        who=WITH_CLASSES if classes else WITHOUT_CLASSES,
        not_this=NOT_CLASS if classes else NOT_MOTION,
        seconds=seconds,
        megabytes=megabytes,
    )


def answer_html(models, path, seconds, fps, face, going) -> str:
    """The answers of the models about a film as HTML, or a sentence that says why there is none.

    Args:
        path: of the film; None where none was sent.
        seconds, fps, face, going: as of `measurement.measure`. A `Gone` that `going` raises ends
            it without an answer.
    """
    if path is None:
        return report.problem("There is no film yet: upload one, or record one.")
    if not pathlib.Path(path).is_file():
        return report.problem("The film is not here any more: send it again.")
    try:
        found = [measurement.measure(model, path, seconds, fps, face, going) for model in models]
        going(measurement.DRAWING)
        return report.html(found)
    except Gone:
        return ""
    except (DataError, OptionError) as error:
        said = str(error)
        return report.problem(said if said.endswith((".", "?")) else f"{said}.")
    except MemoryError:
        return report.problem(
            "The film needs more memory than there is: make it shorter or smaller."
        )
    except Exception:  # a bug: its traceback belongs to the terminal, not to the page
        traceback.print_exc()
        return report.problem("This went wrong, by a bug; the terminal says what.")


def _session(request):
    """What tells one browser tab from another."""
    return str(request.session_hash)


def _path(payload):
    """Where an upload lies."""
    return payload.path if payload else None
