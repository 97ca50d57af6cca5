"""Opens a page to try it: upload a film of a face, or record one, and see how the face moved.

Everything stays on this machine: nothing is fetched from or sent to the network, and a film is
deleted once it is answered. Without --model, the displacement generator that ships with the package
answers: it shows how a face moved, and names no emotion.
"""

import dataclasses
import sys

from pipelines import cli
from pipelines.cli import option
from pipelines.schema import OptionError

EXAMPLES = """examples:
  python -m me_keras.web
  python -m me_keras.web --model saved_models/frl_dgt
  python -m me_keras.web --model saved_models/a saved_models/b --port 8080

Two models answer side by side. The page is for this machine alone unless --host says otherwise;
there is no TLS and no log-in, and browsers open the camera for this machine alone. Needs
me-keras[web], Python 3.10 or newer. Stops on Ctrl-C or SIGTERM. Exit codes: 1 failed, 2 wrong use,
130 stopped."""
MOST_MODELS = 2


@dataclasses.dataclass(frozen=True)
class WebOptions:
    """Page."""

    model: tuple[str, ...] = option(
        (), "one exported model, or two to compare (default: displacement only)", None, "DIR", "+"
    )
    host: str = option("127.0.0.1", "address to listen on")
    port: int = option(7860, "port; 0 for any free one", metavar="N", within="[0, 65536)")
    max_mb: int = option(100, "megabytes of an upload", metavar="N", least=1)
    max_seconds: float = option(
        10.0, "length of a film, seconds as filmed; longer ones are refused", within="(0, inf)"
    )

    def __post_init__(self):
        cli.check(self)
        if len(self.model) > MOST_MODELS:
            raise OptionError(f"--model takes {MOST_MODELS} folders, got {len(self.model)}")


def main(argv=None):
    """Runs the command; returns its exit code."""
    options, debug = cli.parse(WebOptions, argv, "python -m me_keras.web", __doc__, EXAMPLES)
    return cli.run(_command, options, debug=debug)


def _command(options):
    from me_keras.webpage import server

    server.serve(**dataclasses.asdict(options))


if __name__ == "__main__":
    sys.exit(main())
