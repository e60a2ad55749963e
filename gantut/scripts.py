"""How a script begins and ends, whatever its streams are: its errors are one line on stderr and an exit code.

For those whose flags argparse reads; gantut/flags.py's run() is the same for absl's, and for TensorFlow.
Ctrl-C, SIGTERM and their like end the process; inside a Stop, which a training is, its step is finished first.
"""
import argparse
import contextlib
import os
import signal
import sys
import threading
import time
from functools import partial

from gantut import __version__
from gantut.console import in_notebook, protect, reopen_closed
from gantut.errors import Stopped, UserError, one_line, printable
from gantut.paths import in_words, typed

# Ctrl-C; kill; the terminal closes; what batch systems send before the time is over, and at the limit of processor time
ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU")
          if hasattr(signal, name)]


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
    if not in_session():
        set_environment(os.environ)


def set_environment(variables):
    """What a script goes by, whatever a notebook or another project has set; a program that imports it keeps its own.

    Nothing is drawn in a window, and Keras is TensorFlow's. variables: a dict, or os.environ.
    """
    variables.update(MPLBACKEND="agg", KERAS_BACKEND="tensorflow")
    variables.pop("TF_USE_LEGACY_KERAS", None)


def call(main):
    try:
        return main()
    except UserError as error:
        sys.exit(f"error: {printable(str(error))}")
    except MemoryError as error:
        sys.exit(f"error: there is not memory enough ({one_line(error)[:200]}): ask for less, as by a smaller --batch_size or --count")
    except OSError as error:
        sys.exit(f"error: {printable(one_line(error))}")
    except Stopped as stopped:
        print(f"stopped and saved; to go on: {typed()}", file=sys.stderr)
        sys.exit(128 + stopped.args[0])


class AnyOrder(argparse.ArgumentParser):
    """A parser that takes flags and names in any order, also "lfw --archive FILE OUT"."""

    def parse_args(self, args=None, namespace=None):
        return self.parse_intermixed_args(args, namespace)


def argument_parser(doc):
    """A parser of a script's flags, by argparse. doc: the script's text, None under python -OO."""
    parser = AnyOrder(description=in_words((doc or "").strip()),
                      formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.error = lambda message: sys.exit(f"error: {printable(message)} (see --help)")
    parser.add_argument("--version", action="version", version="gantut " + __version__)
    return parser


def leave_at_once(words="stopped"):
    """From now on a signal ends the process: there is nothing to save, and an exception might be swallowed.

    Not so in a session of the user's, which is more than this script. words: what is said then.
    """
    for number in [] if in_session() else ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup has SIGHUP ignored
            signal.signal(number, partial(leave, words))


@contextlib.contextmanager
def blocked():
    """A context in which a process that is started does not get these signals, until it calls unblock()."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        unblock()


def unblock():
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


def in_session():
    """Whether the process is one in which a user types, and which lives on: a notebook's, IPython, python -i."""
    ipython = sys.modules.get("IPython")
    return bool(in_notebook() or ipython and ipython.get_ipython() or hasattr(sys, "ps1") or sys.flags.inspect)


def leave(words, signum, _):
    print(words, file=sys.stderr, flush=True)
    os._exit(128 + signum)


class Stop:
    """A context manager: inside, a signal only sets .signum, and the work stops when its step is done.

    A second one ends the process at once. A thread reads the signals from Python's wakeup pipe, since the main thread
    cannot while TensorFlow computes. message: what is said of the first one.
    """

    def __init__(self, message=""):
        self.message = message

    def __enter__(self):
        self.signum = None
        self.handlers = {}
        if threading.current_thread() is not threading.main_thread():  # which alone may handle signals
            return self
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.writer, False)
        signal.set_wakeup_fd(self.writer)  # before the handlers, so that no signal is lost
        self.handlers = {number: signal.signal(number, lambda *_: None) for number in ENDING
                         if signal.getsignal(number) is not signal.SIG_IGN}
        threading.Thread(target=self.listen, daemon=True).start()
        return self

    def listen(self):
        while byte := os.read(self.reader, 1):
            if self.signum is None:
                self.signum, first = byte[0], time.monotonic()
                print(self.message, end="", file=sys.stderr, flush=True)
            elif time.monotonic() - first > 0.5 and not in_session():  # a launcher may pass on the terminal's
                os._exit(128 + byte[0])

    def __exit__(self, *_):
        if self.handlers:
            signal.set_wakeup_fd(-1)
            for number, handler in self.handlers.items():
                signal.signal(number, handler)
            os.close(self.writer)
