"""What a notebook shows of a training, in place: how far it is, and its newest samples. For train(config) it is
config.progress; elsewhere than in a notebook it is the console's.
"""
import html
import time

from gantut.console import ProgressBar

from gantut.signals import in_notebook

SECONDS = 0.25  # between two changes of the bar


def Progress(done, total, batch_size):
    """What shows how far a training is: done and total are its steps, of batch_size images each."""
    return (InPlace if in_notebook() else ProgressBar)(done, total, batch_size)


class InPlace(object):
    """The face of ProgressBar: a bar with the losses and the time left, a line and a picture, each in its place."""

    def __init__(self, done, total, batch_size):
        from IPython.display import display
        self.done, self.total, self.batch_size = done, total, batch_size
        self.first, self.start, self.shown = done, time.monotonic(), 0
        self.words, self.losses = "", ""
        self.bar, self.line, self.image = (display(nothing, raw=True, display_id=True) for nothing in [text("")] * 3)

    def report(self, where, when, losses):
        """Report one step. losses: in words, or None if this step's are not looked at."""
        self.done += 1
        self.losses = losses or self.losses
        self.words = "{} {}".format(where, self.losses)
        if time.monotonic() - self.shown > SECONDS:
            self.show()

    def show(self):
        self.shown = time.monotonic()
        speed = (self.done - self.first) / (self.shown - self.start)
        left = (self.total - self.done) / speed if speed else 0
        words = "{} {:.0f} images/s, {:.0f}:{:02.0f} left".format(
            self.words, speed * self.batch_size, left // 60, left % 60)
        bar = '<progress value="{}" max="{}" style="width: 40em"></progress>'.format(self.done, self.total)
        self.bar.update({**text(words), "text/html": "{}<pre>{}</pre>".format(bar, html.escape(words))}, raw=True)

    def write(self, line):
        """Show a line, in the place of the one before."""
        self.line.update(text(line), raw=True)

    def picture(self, path):
        """Show the samples that have been written into a file."""
        with open(path, "rb") as file:
            self.image.update({**text(path), "image/png": file.read()}, raw=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.show()


def text(words):
    return {"text/plain": words}
