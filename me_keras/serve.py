"""Serves an exported model on this machine, for development and tests.

Answers the REST and gRPC calls of TensorFlow Serving 2.15 (predict, metadata, status). The newest
version under the folder answers, the one before it can be asked for, and a newer one is taken over
while running. In production run TensorFlow Serving itself: deploy/README.md.
"""

import dataclasses
import sys
from typing import Optional

from pipelines import cli
from pipelines.cli import option
from pipelines.schema import OptionError

EXAMPLES = """examples:
  python -m me_keras.serve --model saved_models/frl_dgt
  python -m me_keras.serve --model saved_models/frl_dgt --rest-port 0 --grpc-port 0
  curl http://127.0.0.1:8501/v1/models/frl_dgt
  curl -d @request.json http://127.0.0.1:8501/v1/models/frl_dgt:predict

Port 0 takes any free one; the addresses are printed when the model is loaded. Stops on Ctrl-C or
SIGTERM, after the requests under way. Exit codes: 0 stopped, 1 failed, 2 wrong use."""


@dataclasses.dataclass(frozen=True)
class ServeOptions:
    """Server."""

    model: str = option(
        "saved_models/frl_dgt", "folder of the versions, or one version's folder", metavar="DIR"
    )
    name: Optional[str] = option(None, "the model's name (default: the folder's)", metavar="NAME")
    labels: tuple[str, ...] = option((), "as in stable=1 canary=2", metavar="LABEL=N", nargs="+")
    host: str = option("127.0.0.1", "address to listen on; there is no TLS and no log-in")
    rest_port: int = option(8501, "port of REST", metavar="N", within="[0, 65536)")
    grpc_port: int = option(8500, "port of gRPC", metavar="N", within="[0, 65536)")
    max_batch: int = option(64, "clips in a request", metavar="N", least=1)

    def __post_init__(self):
        cli.check(self)
        self.label_versions()

    def label_versions(self):
        """dict of label -> version number."""
        pairs = [label.partition("=") for label in self.labels]
        for label, _, number in pairs:
            if not (label and number.isascii() and number.isdigit()):
                raise OptionError(f"labels must read label=number (stable=1), got {label!r}")
        return {label: int(number) for label, _, number in pairs}


def main(argv=None):
    """Runs the command; returns its exit code."""
    options, debug = cli.parse(ServeOptions, argv, "python -m me_keras.serve", __doc__, EXAMPLES)
    return cli.run(_serve, options, debug=debug)


def _serve(options):
    from me_keras.serving.server import serve

    serve(**{**dataclasses.asdict(options), "labels": options.label_versions()})


if __name__ == "__main__":
    sys.exit(main())
