"""How a script begins and ends, whatever its streams are: its errors are one line on stderr and an exit code.

For those whose flags argparse reads; gantut/console.py's run() is the same for absl's, and for TensorFlow.
"""
import argparse
import sys

from gantut import __version__
from gantut.errors import Stopped, UserError, one_line, printable
from gantut.places import in_words, typed
from gantut.signals import leave_at_once
from gantut.streams import protect, reopen_closed


def run(main, stopped="stopped", prints=False):
    """Call main(); how it ends becomes one line at most on stderr and an exit code. stopped: said after Ctrl-C.

    What main() returns is the exit code. prints: what it prints is its result, so that the code is not 0 if not all of
    that could be printed.
    """
    begin(stopped)
    try:
        code = call(main)
    except SystemExit as ended:
        code = ended.code
    sys.exit(code or int(prints and getattr(sys.stdout, "failed", False)))


def begin(stopped="stopped"):
    reopen_closed()
    protect()
    leave_at_once(stopped)


def call(main):
    try:
        return main()
    except UserError as error:
        sys.exit("error: {}".format(printable(str(error))))
    except MemoryError as error:
        sys.exit("error: there is not memory enough ({}): ask for less, as by a smaller --batch_size or --count".format(
            one_line(error)[:200]))
    except OSError as error:
        sys.exit("error: {}".format(printable(one_line(error))))
    except Stopped as stopped:
        print("stopped and saved; to go on: {}".format(typed()), file=sys.stderr)
        sys.exit(128 + stopped.args[0])


class AnyOrder(argparse.ArgumentParser):
    """A parser that takes flags and names in any order, also "lfw --archive FILE OUT"."""

    def parse_args(self, args=None, namespace=None):
        return self.parse_intermixed_args(args, namespace)


def argument_parser(doc):
    """A parser of a script's flags, by argparse. doc: the script's text, None under python -OO."""
    parser = AnyOrder(description=in_words((doc or "").strip()),
                      formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.error = lambda message: sys.exit("error: {} (see --help)".format(printable(message)))
    parser.add_argument("--version", action="version", version="gantut " + __version__)
    return parser
