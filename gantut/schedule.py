"""What a class's step() asks of the session, found out by watching it: how --fast knows what it stands for."""
import tensorflow.compat.v1 as tf

from gantut.errors import UserError


class Watched(tf.Session):
    """A session that notes what it is asked to run, and runs nothing: each result is the number of its run."""

    def __init__(self, graph):
        super().__init__(graph=graph)
        self.calls = []

    def run(self, fetches, feed_dict=None, options=None, run_metadata=None):
        self.calls.append((fetches if isinstance(fetches, (list, tuple)) else [fetches], feed_dict or {}))
        return [len(self.calls)] * len(fetches) if isinstance(fetches, (list, tuple)) else len(self.calls)


class Noted(object):
    """A writer that notes what it is given."""

    def __init__(self):
        self.summaries = []

    def add_summary(self, summary, step):
        self.summaries.append((summary, step))


def count_g_updates(step, dcgan, d_optim, g_optim):
    """How many updates of G follow the one of D in step(), a method of dcgan.

    Raises UserError unless it does what the text's does: update D, update G once or more, each on the same z, with its
    summary, then evaluate the three losses.
    """
    images, z, counter = object(), object(), object()
    sess, writer = dcgan.sess, dcgan.writer
    with Watched(dcgan.G.graph) as watched:
        dcgan.sess, dcgan.writer = watched, Noted()
        try:
            returned = step(d_optim, g_optim, images, z, counter)
            calls, summaries = watched.calls, dcgan.writer.summaries
        except Exception as error:
            raise changed("it raises {}: {}".format(type(error).__name__, error)) from None
        finally:
            dcgan.sess, dcgan.writer = sess, writer
    noise, evaluation = {dcgan.z: z, dcgan.is_training: True}, {dcgan.z: z, dcgan.is_training: False}
    n = sum(call[0][0] is g_optim for call in calls)
    expected = [([d_optim, dcgan.d_sum], {dcgan.images: images, **noise})] + [([g_optim, dcgan.g_sum], noise)] * n + [
        ([dcgan.d_loss_fake], evaluation), ([dcgan.d_loss_real], {dcgan.images: images, dcgan.is_training: False}),
        ([dcgan.g_loss], evaluation)]
    for i, (call, other) in enumerate(zip(calls, expected)):
        if not same(call, other):
            raise changed("its run {} is another than the text's".format(i + 1))
    if len(calls) != len(expected) or n < 1:
        raise changed("it asks for {} runs, {} of them updates of G".format(len(calls), n))
    if summaries != [(i + 1, counter) for i in range(n + 1)] or tuple(returned) != (n + 2, n + 3, n + 4):
        raise changed("it writes other summaries or returns other losses")
    return n


def same(call, other):
    """Whether two runs of a session are of the same tensors, with the same objects fed."""
    (fetches, feed), (other_fetches, other_feed) = call, other
    return (len(fetches) == len(other_fetches) and all(a is b for a, b in zip(fetches, other_fetches))
            and {x.name: id(value) for x, value in feed.items()} == {x.name: id(value) for x, value in
                                                                     other_feed.items()})


def changed(what):
    return UserError("--fast has an update of its own, as --g_updates has: DCGAN.step() has been changed ({}); train "
                     "without it".format(what))
