"""Pictures of an answer as `data:` addresses: they stand in the page, no file is written."""

from __future__ import annotations

import base64
import io
import typing

import numpy as np

from me_keras import colours
from me_keras.interpretation import drawing
from me_keras.motion_figures import face_mask
from me_keras.prediction.result import when
from me_keras.webpage.measurement import Measurement

WIDEST = 640  # px, of the frame in which the face was found
ROOM = 0.35  # of the face's size, shown around it
BOX, DOT = (0, 114, 178), (86, 180, 233)  # RGB, told apart by the colour-blind
PANEL = 4.0  # inches


def address(content: bytes, kind: str) -> str:
    """Of content of a MIME type: `data:image/png;base64,…`."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def face(measurement: Measurement) -> str:
    """The onset as filmed around the face, with a box and the landmarks: a JPEG."""
    import cv2

    points = measurement.landmarks
    low, high = points.min(axis=0), points.max(axis=0)
    room = ROOM * (high - low)
    height, width = measurement.face.shape[:2]
    x1, y1 = np.maximum(low - room, 0).astype(int)
    x2, y2 = np.minimum(high + room, (width, height)).astype(int)
    part = measurement.face[y1:y2, x1:x2]
    scale = WIDEST / part.shape[1]
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    image = cv2.resize(part, None, fx=scale, fy=scale, interpolation=way)

    def place(point):
        return tuple(int(v) for v in np.round((point - (x1, y1) + 0.5) * scale - 0.5))

    for point in points:
        cv2.circle(image, place(point), 2, DOT, -1, cv2.LINE_AA)
    cv2.rectangle(image, place(low), place(high), (255, 255, 255), 6, cv2.LINE_AA)
    cv2.rectangle(image, place(low), place(high), BOX, 3, cv2.LINE_AA)
    _, encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
    return address(encoded.tobytes(), "image/jpeg")


class Motion(typing.NamedTuple):
    """The displacement as `image`; px that the full colour stands for; length of the arrows."""

    image: str
    limit: float
    enlarged: float | None


def motion(measurement: Measurement) -> Motion:
    """The displacement from onset to apex as colours and arrows over the face: a PNG."""
    import matplotlib

    picture = measurement.picture
    field = drawing.smoothed(picture.displacement)
    length = np.linalg.norm(field, axis=-1)[face_mask(len(field))]
    limit = colours.nice_limit(length, drawing.FINEST)
    drawn = io.BytesIO()
    with matplotlib.rc_context({**drawing.STYLE, "font.size": 12}):
        sheet = drawing.Sheet(PANEL, PANEL)
        enlarged = drawing.flow(sheet.axes(0, 0, PANEL, PANEL), field, limit, "", picture.onset)
        sheet.figure.savefig(drawn, dpi=drawing.DPI, format="png")
    return Motion(address(drawn.getvalue(), "image/png"), limit, enlarged)


def sheet(measurement: Measurement) -> bytes:
    """Onset, apex and displacement side by side, for a model that names no class: a PNG."""
    import matplotlib

    prediction, picture = measurement.prediction, measurement.picture
    drawn = io.BytesIO()
    field = drawing.smoothed(picture.displacement)
    length = np.linalg.norm(field, axis=-1)[face_mask(len(field))]
    with matplotlib.rc_context(drawing.STYLE):
        page = drawing.Sheet(3 * PANEL + 0.8, PANEL + 1.2)
        page.text(0.2, 0.35, prediction.source, size=14, weight="bold")
        facts = (
            f"onset frame {when(prediction, 'onset')}   ·   apex frame {when(prediction, 'apex')}"
        )
        facts += f"   ·   face moved {prediction.mean_displacement:.2f} px on average"
        page.text(
            0.2, 0.6, f"{facts}, {prediction.max_displacement:.2f} px at most", color="#444444"
        )
        first, second, third = (
            page.axes(0.2 + i * (PANEL + 0.2), 1.0, PANEL, PANEL) for i in range(3)
        )
        drawing.grey(first, picture.onset, "a  onset, aligned")
        drawing.grey(second, picture.apex, "b  apex, aligned, the head held still")
        limit = colours.nice_limit(length, drawing.FINEST)
        enlarged = drawing.flow(third, field, limit, "c  displacement", picture.onset)
        if enlarged:
            drawing.aside(third, f"arrows drawn {enlarged:.2g} times as long")
        page.figure.savefig(drawn, dpi=drawing.DPI, format="png")
    return drawn.getvalue()
