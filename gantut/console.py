"""What a terminal sees of the scripts: no noise from TensorFlow, one line for an error, how far a training is.

Import this before TensorFlow. To see TensorFlow's own messages, set TF_CPP_MIN_LOG_LEVEL=0 in the environment.
"""
import os
import signal
import sys
import threading

from gantut import __version__
from gantut.errors import Stopped, UserError, one_line, printable
from gantut.places import in_words, typed
from gantut.signals import leave_at_once
from gantut.streams import protect, reopen_closed

QUIET = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") != "0"


def import_tensorflow():
    """Import TensorFlow with stderr closed: as it loads it writes there before any log level counts (2.21).

    It takes seconds; Ctrl-C then ends the process without a traceback.
    """
    is_main = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, signal.SIG_DFL) if is_main else None
    stderr = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        import tensorflow  # noqa: F401
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        if handler is not None:
            signal.signal(signal.SIGINT, handler)


# a notebook's, or those of another project: nothing here is drawn in a window, or runs on another Keras
os.environ.update(MPLBACKEND="agg", KERAS_BACKEND="tensorflow")
os.environ.pop("TF_USE_LEGACY_KERAS", None)

reopen_closed()
if QUIET:
    import_tensorflow()

import tensorflow.compat.v1 as tf  # noqa: E402
from absl import app, flags  # noqa: E402
from tqdm import tqdm  # noqa: E402

from gantut.flags import settle  # noqa: E402

if QUIET:
    tf.logging.set_verbosity(tf.logging.FATAL)  # an error is raised as well, and becomes one line


def run(main):
    """Parse the flags and call main(); how it ends becomes one line at most on stderr and an exit code."""
    protect()
    leave_at_once()
    show_help_of(main.__module__)
    with tf.Graph().as_default():  # of its own: a notebook may run it again
        app.run(lambda _: call(main), flags_parser=parse_flags)


def show_help_of(module):
    """Let absl's --help show the text and the flags of a script also where a command has imported it."""
    doc = sys.modules[module].__doc__ or ""
    sys.modules["__main__"].__doc__ = in_words(doc) + "\n--version says which version this is.\n"
    for flag in flags.FLAGS.get_flags_for_module(module):
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)


def call(main):
    try:
        main()
    except UserError as error:
        sys.exit("error: {}".format(printable(str(error))))
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        sys.exit("error: there is not memory enough ({}): ask for less, as by a smaller --batch_size or --count".format(
            one_line(error)[:200]))
    except tf.errors.OpError as error:
        sys.exit("error: TensorFlow ends this: {}".format(one_line(error)[:300]))
    except Stopped as stopped:
        print("stopped and saved; to go on: {}".format(typed()), file=sys.stderr)
        sys.exit(128 + stopped.args[0])


def parse_flags(argv):
    """absl's flag parser, but what it refuses is one line, --help exits with 0, and no word is left over."""
    if "log_dir" in flags.FLAGS:
        delattr(flags.FLAGS, "log_dir")  # absl's own, which does nothing here, beside --logs_dir
    if "--version" in argv:
        print("gantut", __version__)
        sys.exit(0)
    try:
        rest = flags.FLAGS(["--help" if word == "-h" else word for word in argv])
        settle()
    except flags.Error as error:
        sys.exit("error: {} (see --help)".format(one_line(error)))
    except UserError as error:
        sys.exit("error: {}".format(printable(str(error))))
    except SystemExit:
        sys.exit(0)
    if len(rest) > 1:
        sys.exit("error: what is '{}' for? Every argument is a --flag (see --help)".format(rest[1]))
    return rest


class ProgressBar(object):
    """How far a training is: on a terminal a bar with images/s and the time left, elsewhere the tutorial's lines."""

    def __init__(self, done, total, batch_size):
        self.batch_size = batch_size
        self.bar = tqdm(initial=done * batch_size, total=total * batch_size, unit=" images", file=sys.stdout,
                        disable=None, dynamic_ncols=True)

    def report(self, where, when, losses):
        """Report one step. losses: in words, or None if this step's are not looked at."""
        if self.bar.disable:
            if losses:
                print("{} {}, {}".format(where, when, losses))
        else:
            self.bar.set_description(where, refresh=False)
            if losses:
                self.bar.set_postfix_str(losses, refresh=False)
            self.bar.update(self.batch_size)

    def write(self, line):
        """Print a line, above the bar if there is one."""
        self.bar.write(line, file=sys.stdout)

    def picture(self, path):
        """Samples have been written into a file: a terminal shows none."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.bar.close()
