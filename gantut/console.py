"""What a user sees: stdout and stderr that never end a training, and its progress, on a terminal or in a notebook."""
import html
import os
import sys
import time

SECONDS = 0.25  # between two changes of the bar


def reopen_closed():
    """Open stdin, stdout and stderr if they are closed: the next files to be opened would get their numbers."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def protect():
    """From now on, if a stream cannot be written to, it is no longer used, and a line on the other stream says so.

    Characters that it cannot show are escaped. The streams of a notebook are not changed.
    """
    closed = [name for name in ("stdout", "stderr") if getattr(sys, name) is None]
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name) or open(os.devnull, "w")
        if hasattr(stream, "reconfigure") and not isinstance(stream, Stream):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")  # a line is seen at once, also in a pipe
            setattr(sys, name, Stream(stream, name))
    for name in closed:
        print(f" [!] {name} is closed: continuing without it",
              file=sys.stderr if name == "stdout" else sys.stdout)


class Stream:
    """A text stream whose errors are not raised. name: stdout or stderr. failed: whether there has been an error."""

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
            os.dup2(nowhere, self.stream.fileno())  # discards what is buffered and all that follows
            os.close(nowhere)
            other = sys.stderr if self.name == "stdout" else sys.stdout
            print(f" [!] {self.name} cannot be written to ({error.strerror}): continuing without it", file=other)
            return None

    def __getattr__(self, name):
        return getattr(self.stream, name)


def in_notebook():
    """Whether the process is a notebook's kernel, which keeps running."""
    return "ipykernel" in sys.modules


class ProgressBar:
    """The progress of a training: on a terminal a bar with images/s and the time left, elsewhere the tutorial's lines.
    """

    def __init__(self, done, total, batch_size):
        from tqdm import tqdm  # here, so that python -m gantut --report needs no package
        self.batch_size = batch_size
        self.bar = tqdm(initial=done * batch_size, total=total * batch_size, unit=" images", file=sys.stdout,
                        disable=None, dynamic_ncols=True)

    def report(self, where, when, losses):
        """Report one step. losses: in words, or None if they were not computed in this step."""
        if self.bar.disable:
            if losses:
                print(f"{where} {when}, {losses}")
        else:
            self.bar.set_description(where, refresh=False)
            if losses:
                self.bar.set_postfix_str(losses, refresh=False)
            self.bar.update(self.batch_size)

    def write(self, line):
        """Print a line, above the bar if there is one."""
        self.bar.write(line, file=sys.stdout)

    def picture(self, path):
        """Samples have been written to a file; a terminal does not show them."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.bar.close()


class InPlace:
    """ProgressBar of a notebook: a bar with losses and the time left, a line and a picture, each updated in place."""

    def __init__(self, done, total, batch_size):
        from IPython.display import display
        self.done, self.total, self.batch_size = done, total, batch_size
        self.first, self.start, self.shown = done, time.monotonic(), 0
        self.words, self.losses = "", ""
        self.bar, self.line, self.image = (display(nothing, raw=True, display_id=True) for nothing in [text("")] * 3)

    def report(self, where, when, losses):
        """Report one step. losses: in words, or None if they were not computed in this step."""
        self.done += 1
        self.losses = losses or self.losses
        self.words = f"{where} {self.losses}"
        if time.monotonic() - self.shown > SECONDS:
            self.show()

    def show(self):
        self.shown = time.monotonic()
        speed = (self.done - self.first) / (self.shown - self.start)
        left = (self.total - self.done) / speed if speed else 0
        words = f"{self.words} {speed * self.batch_size:.0f} images/s, {left // 60:.0f}:{left % 60:02.0f} left"
        bar = f'<progress value="{self.done}" max="{self.total}" style="width: 40em"></progress>'
        self.bar.update({**text(words), "text/html": f"{bar}<pre>{html.escape(words)}</pre>"}, raw=True)

    def write(self, line):
        """Show a line instead of the one before."""
        self.line.update(text(line), raw=True)

    def picture(self, path):
        """Show the samples that have been written to a file."""
        with open(path, "rb") as file:
            self.image.update({**text(path), "image/png": file.read()}, raw=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.show()


def text(words):
    return {"text/plain": words}


def Progress(done, total, batch_size):
    """For train(config), as config.progress: InPlace in a notebook, the console's ProgressBar elsewhere.

    done and total are the training's steps, of batch_size images each.
    """
    return (InPlace if in_notebook() else ProgressBar)(done, total, batch_size)
