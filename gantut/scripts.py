"""How a script starts and ends, whatever its streams are: an error is one line on stderr and an exit code.

This is for scripts whose flags argparse reads; run() in gantut/flags.py is for absl's flags and TensorFlow.
Ctrl-C, SIGTERM and similar signals end the process; inside a Stop, as in a training, the current step is finished
first.
"""
import argparse
import contextlib
import os
import select
import shutil
import signal
import sys
import threading
import time
from functools import partial

from gantut import __version__
from gantut.console import in_notebook, protect, reopen_closed
from gantut.errors import Stopped, UserError, one_line, printable, unfinished
from gantut.paths import in_words, typed

# Ctrl-C; kill; a closed terminal; what batch systems send shortly before the end, and at the limit of processor time
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU")
          if hasattr(signal, name)]


def run(main, stopped="stopped", prints=False):
    """Call main(); an error becomes one line on stderr and an exit code. stopped: printed after Ctrl-C.

    main() returns the exit code. prints: its output is its result, so the code is not 0 if not all of that could be
    printed.
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
    """Set what a script needs, whatever a notebook or another project has set; not for programs that import it.

    Matplotlib opens no window, and Keras uses TensorFlow. variables: a dict, or os.environ.
    """
    variables.update(MPLBACKEND="agg", KERAS_BACKEND="tensorflow")
    variables.pop("TF_USE_LEGACY_KERAS", None)


def call(main):
    try:
        return main()
    except UserError as error:
        sys.exit(f"error: {printable(str(error))}")
    except MemoryError as error:
        sys.exit(f"error: there is not enough memory ({one_line(error)[:200]}): try less, for example a smaller "
                 "--batch_size or --count")
    except OSError as error:
        sys.exit(f"error: {printable(one_line(error))}")
    except Stopped as stopped:
        print(f"stopped and saved; to go on: {typed()}", file=sys.stderr)
        sys.exit(128 + stopped.args[0])


class AnyOrder(argparse.ArgumentParser):
    """A parser that takes flags and other arguments in any order, for example "lfw --archive FILE OUT"."""

    def parse_args(self, args=None, namespace=None):
        return self.parse_intermixed_args(args, namespace)


def argument_parser(doc):
    """An argparse parser for a script's flags. doc: the script's docstring, None under python -OO."""
    parser = AnyOrder(description=in_words((doc or "").strip()),
                      formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.error = lambda message: sys.exit(f"error: {printable(message)} (see --help)")
    parser.add_argument("--version", action="version", version="gantut " + __version__)
    return parser


def at_least(least):
    """A type of a flag for argparse: a whole number from least on."""
    def number(text):
        if not text.isdecimal() or not least <= int(text) < 2 ** 32:  # NumPy's limit of a seed
            raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from {least}")
        return int(text)
    return number


def leave_at_once(words="stopped"):
    """From now on a signal ends the process: there is nothing to save, and an exception might be caught somewhere.

    In an interactive session nothing is changed, as more than this script runs there. words: printed then.
    """
    for number in [] if in_session() else SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup does with SIGHUP
            signal.signal(number, partial(leave, words))


@contextlib.contextmanager
def blocked():
    """A context in which a new process does not get these signals until it calls unblock()."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        unblock()


def unblock():
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def in_session():
    """Whether the process is an interactive session, which keeps running: a notebook's kernel, IPython, python -i."""
    ipython = sys.modules.get("IPython")
    return bool(in_notebook() or ipython and ipython.get_ipython() or hasattr(sys, "ps1") or sys.flags.inspect)


def leave(words, signum, _):
    for path in list(unfinished):
        shutil.rmtree(path, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.remove(path)
    tell(words + "\n")
    os._exit(128 + signum)


def tell(text):
    """Print to stderr, unless that is a full pipe, which would wait for its reader, or is being printed to just now."""
    full = False
    with contextlib.suppress(OSError, ValueError, TypeError):  # a notebook's is not a file; there may be none
        full = os.name == "posix" and not select.select([], [sys.stderr], [], 0)[1]
    if not full:
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            print(text, end="", file=sys.stderr, flush=True)


class Stop:
    """A context manager: inside, a signal only sets .signum, so that the work can stop after the current step.

    A second signal ends the process at once. A thread reads the signals from Python's wakeup pipe, since the main
    thread cannot while TensorFlow computes. message: printed after the first signal.
    """

    def __init__(self, message=""):
        self.message = message
        self.signum, self.handlers = None, {}
        self.reader = self.writer = self.wakeup = None  # the pipe's ends; the one that was set before

    def __enter__(self):
        if threading.current_thread() is not threading.main_thread():  # only the main thread can handle signals
            return self
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.writer, False)
        self.wakeup = signal.set_wakeup_fd(self.writer)  # before the handlers, so that no signal is lost
        self.handlers = {number: signal.signal(number, lambda *_: None) for number in SIGNALS
                         if signal.getsignal(number) is not signal.SIG_IGN}
        threading.Thread(target=self.listen, daemon=True).start()
        return self

    def listen(self):
        while byte := os.read(self.reader, 1):
            if byte[0] not in self.handlers:  # Python writes every signal with a handler, also a program's own
                continue
            if self.signum is None:
                self.signum, first = byte[0], time.monotonic()
                tell(self.message)
            elif time.monotonic() - first > 0.5 and not in_session():  # a launcher may repeat the terminal's signal
                os._exit(128 + byte[0])
        os.close(self.reader)

    def __exit__(self, *_):
        if self.handlers:
            signal.set_wakeup_fd(self.wakeup)
            for number, handler in self.handlers.items():
                signal.signal(number, handler)
            os.close(self.writer)
