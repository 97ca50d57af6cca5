"""Errors of serving: TensorFlow Serving's codes, their HTTP numbers, and messages as one line."""

import re

from pipelines.progress import say
from pipelines.schema import DataError

# Code names in the order of their numbers, and the HTTP status TF Serving gives each
# (its http_server.cc).
CODES = (
    "OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS "
    "PERMISSION_DENIED RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED "
    "INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED"
).split()
_HTTP = (200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401)
HTTP_STATUS = dict(zip(CODES, _HTTP))
# What a client reads: the first code of a status, but for 500; 413 as gRPC names what is too long.
CODE_OF_HTTP = {status: code for code, status in reversed(HTTP_STATUS.items())}
CODE_OF_HTTP |= {500: "INTERNAL", 413: "RESOURCE_EXHAUSTED"}
MAX_MESSAGE = 1024  # characters; TF Serving cuts its gRPC messages there too

# Where TensorFlow says what failed, between what it says to its own developers.
_NOISE = re.compile(
    r"Graph execution error:|Detected at node .*|<stack traces unavailable>|\d+ root error\(s\) .*"
    r"|^\s*\(0\) [A-Z_ ]+: |\[Op:[^\]]*\]|\[\[\{\{node .*|^\s*File \".*|^\s*\(1\) .*",
    re.MULTILINE,
)


class ServingError(DataError):
    """A request that could not be answered.

    Attributes:
        code: name of a TF Serving code: "INVALID_ARGUMENT", "UNAVAILABLE", …
        message: one readable line.
    """

    def __init__(self, code: str, message: object):
        self.code = code
        self.message = one_line(message)
        super().__init__(code, self.message)

    def __str__(self):
        return f"{self.code}: {self.message}"


def invalid(message: object) -> ServingError:
    """The error for a request that does not fit."""
    return ServingError("INVALID_ARGUMENT", message)


def bug(what: str, error: Exception) -> ServingError:
    """The error for a fault of ours: the log says which, clients never see a traceback."""
    say(f"{what} failed: {type(error).__name__}: {error}")
    return ServingError("INTERNAL", "internal error; the server's log says more")


def one_line(message: object) -> str:
    """`message` without TensorFlow's node names and stack traces, on one line of bounded length."""
    kept = " ".join(_NOISE.sub(" ", str(message)).split())
    printable = "".join(c if c.isprintable() else "?" for c in kept)
    return printable if len(printable) <= MAX_MESSAGE else printable[: MAX_MESSAGE - 1] + "…"
