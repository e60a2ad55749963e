"""What must happen before TensorFlow is imported: its log messages are turned off, unless TF_CPP_MIN_LOG_LEVEL=0."""
import os
import signal
import threading

from gantut.console import reopen_closed
from gantut.paths import is_script
from gantut.scripts import in_session, set_environment

QUIET = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") != "0"


def import_tensorflow():
    """Import TensorFlow with stderr closed: while it loads, it writes there whatever the log level is (2.21).

    This takes seconds; meanwhile Ctrl-C ends the process without a traceback.
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


reopen_closed()
if is_script() and not in_session():  # TensorFlow reads some of these variables while it loads
    set_environment(os.environ)
if QUIET:
    import_tensorflow()

    import tensorflow.compat.v1 as tf

    tf.logging.set_verbosity(tf.logging.FATAL)  # errors are also raised, and become one line
