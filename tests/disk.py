"""Copies of databases on disk, of one-pixel frames: for loaders, which look at names alone."""

import cv2
import numpy as np
from rendered import layouts, whole

PIXEL = {
    suffix: cv2.imencode(suffix, np.zeros((2, 2), np.uint8))[1].tobytes()
    for suffix in (".jpg", ".png", ".bmp")
}


def write_frames(root, database, rows):
    """Writes the frames of `rows`; returns the folder of the last."""
    path = root
    for row in rows:
        for number in row.numbers:
            path = root / layouts.frame(database, row, number)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(PIXEL[path.suffix])
    return path.parent


def write_sheets(root, database, rows):
    """Writes the sheets of `rows`; returns the paths."""
    return [layouts.write_table(table, root) for table in layouts.tables(database, rows)]


def write_copy(root, database, rows=None):
    """Writes a copy of a database, a whole one when `rows` is None; returns its rows."""
    rows = whole.rows(database) if rows is None else rows
    write_frames(root, database, rows)
    write_sheets(root, database, rows)
    return rows
