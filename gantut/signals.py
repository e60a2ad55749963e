"""Ctrl-C, SIGTERM and their like: outside of a training the process ends, inside it finishes its step first."""
import contextlib
import os
import signal
import sys
import threading
import time

# Ctrl-C; kill; the terminal closes; what batch systems send before the time is over, and at the limit of processor time
ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU")
          if hasattr(signal, name)]


def leave_at_once():
    """From now on a signal ends the process: there is nothing to save, and an exception might be swallowed."""
    for number in [] if in_notebook() else ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup has SIGHUP ignored
            signal.signal(number, leave)


def in_notebook():
    """Whether the process is a notebook's kernel, which lives on."""
    return "ipykernel" in sys.modules


@contextlib.contextmanager
def blocked():
    """While it is entered, a process that is started does not get these signals, until it calls unblock()."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    yield
    unblock()


def unblock():
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


def leave(signum, _):
    print("stopped", file=sys.stderr, flush=True)
    os._exit(128 + signum)


class Stop(object):
    """While it is entered, a signal only sets .signum, and the work stops when its step is done.

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
            elif time.monotonic() - first > 0.5 and not in_notebook():  # a launcher may pass on the terminal's
                os._exit(128 + byte[0])

    def __exit__(self, *_):
        if self.handlers:
            signal.set_wakeup_fd(-1)
            for number, handler in self.handlers.items():
                signal.signal(number, handler)
            os.close(self.writer)
