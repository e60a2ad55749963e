"""stdout and stderr that do not end a training: when nobody reads them any more, or they were closed from the start."""
import os
import sys


def reopen_closed():
    """Open what is closed of stdin, stdout and stderr: else the next files that are opened would take their places."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def protect():
    """From now on a stream that cannot be written to is given up, and the other one says so.

    Letters that it cannot show are escaped. The streams of a notebook stay what they are.
    """
    closed = [name for name in ("stdout", "stderr") if getattr(sys, name) is None]
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name) or open(os.devnull, "w")
        if hasattr(stream, "reconfigure") and not isinstance(stream, Stream):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")  # also in a pipe, a line is seen at once
            setattr(sys, name, Stream(stream, name))
    for name in closed:
        print(" [!] {} is closed: going on without".format(name),
              file=sys.stderr if name == "stdout" else sys.stdout)


class Stream(object):
    """A text stream whose errors end nothing. name: stdout or stderr. failed: whether there has been one."""

    failed = False

    def __init__(self, stream, name):
        self.stream, self.name = stream, name

    def write(self, text):
        return self.attempt(self.stream.write, text)

    def flush(self):
        self.attempt(self.stream.flush)

    def attempt(self, function, *args):
        try:
            return function(*args)
        except OSError as error:
            self.failed = True
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())  # where what is still buffered goes, and all that comes
            os.close(nowhere)
            other = sys.stderr if self.name == "stdout" else sys.stdout
            print(" [!] {} cannot be written to ({}): going on without".format(self.name, error.strerror), file=other)
            return None

    def __getattr__(self, name):
        return getattr(self.stream, name)
