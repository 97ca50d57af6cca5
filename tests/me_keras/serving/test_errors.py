import grpc
import pytest

from me_keras.serving.errors import CODE_OF_HTTP, CODES, HTTP_STATUS, ServingError, one_line
from pipelines.schema import DataError


def test_a_serving_error_is_a_line_with_its_code():
    error = ServingError("NOT_FOUND", "no\n\tsuch model")
    assert str(error) == "NOT_FOUND: no such model" and isinstance(error, DataError)
    assert (error.code, error.message) == ("NOT_FOUND", "no such model")


@pytest.mark.parametrize(
    "message, line",
    [
        (
            "Graph execution error:\n\nDetected at node Assert/Assert defined at (most recent call "
            "last):\n<stack traces unavailable>\nassertion failed: [onset: too large]\n\t "
            "[[{{node Assert/Assert}}]] [Op:__inference_signature_wrapper_184]",
            "assertion failed: [onset: too large]",
        ),
        (
            "2 root error(s) found.\n  (0) INVALID_ARGUMENT: jpeg cut short\n\t [[{{node a}}]]\n"
            "  (1) CANCELLED: other\n0 successful operations.",
            "jpeg cut short 0 successful operations.",
        ),
        ("\x1b[31mred\x00", "?[31mred?"),
        ("x" * 5000, "x" * 1023 + "…"),
    ],
)
def test_messages_become_one_readable_line(message, line):
    assert one_line(message) == line


def test_codes_are_in_the_order_of_their_numbers():
    assert [code.name for code in grpc.StatusCode] == list(CODES)
    assert {code.name: code.value[0] for code in grpc.StatusCode} == {
        code: number for number, code in enumerate(CODES)
    }


@pytest.mark.parametrize(
    "status, code",
    [
        (400, "INVALID_ARGUMENT"),
        (404, "NOT_FOUND"),
        (413, "RESOURCE_EXHAUSTED"),
        (429, "RESOURCE_EXHAUSTED"),
        (500, "INTERNAL"),
        (501, "UNIMPLEMENTED"),
        (503, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
        (418, "UNKNOWN"),
    ],
)
def test_http_statuses_name_codes(status, code):
    assert CODE_OF_HTTP.get(status, "UNKNOWN") == code
    assert HTTP_STATUS[code] == status or status in (413, 418)
