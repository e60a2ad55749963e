"""The session's configuration; half the time for a step: convolutions and matrix products in bfloat16, by TensorFlow's
own rewrite of the graph.

Variables, what Adam remembers, moving averages and losses stay float32, and so does a checkpoint: it goes from one
precision to the other and back.
"""
import re
import sys

import tensorflow.compat.v1 as tf
from tensorflow.core.protobuf import rewriter_config_pb2

ARITHMETIC = ("amx_bf16", "avx512_bf16")  # what processors call it


def session_config(threads=0, precision=None):
    """The tf.ConfigProto of a session on one device: one operation at a time, on `threads` of the cores (0: all).

    Two operations at a time would share the cores: a step as written takes 0.97 of the time (benchmarks/README.md).
    precision: the flag --precision, if it is set now.
    """
    config = tf.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=1)
    if precision:
        set_precision(config, precision)
    return config


def set_precision(config, precision):
    """Set a session's tf.ConfigProto to the flag --precision; returns float32 or bfloat16.

    auto: what fastest_precision() returns. What is not to be expected is said in a line.
    """
    if precision == "auto":
        precision, why = fastest_precision()
        print(f" [*] --precision {precision}: {why}")
    elif precision == "bfloat16" and not processors_arithmetic():
        print(" [!] this processor has no arithmetic for bfloat16: it will be slower than float32", file=sys.stderr)
    if precision == "bfloat16":
        rewrite = config.graph_options.rewrite_options
        rewrite.auto_mixed_precision_onednn_bfloat16 = rewriter_config_pb2.RewriterConfig.ON
        rewrite.remapping = rewriter_config_pb2.RewriterConfig.OFF  # its fused operations are refused on a cluster
    return precision


def fastest_precision():
    """What --precision auto takes here, and why: bfloat16 where the processor has arithmetic for it.

    On a GPU it is float32, for which TensorFlow takes the TF32 of its tensor cores by itself.
    """
    if tf.config.list_physical_devices("GPU"):
        return "float32", "there is a GPU"
    arithmetic = processors_arithmetic()
    return "bfloat16" if arithmetic else "float32", f"the processor has {arithmetic or 'no arithmetic for bfloat16'}"


def precision_of(sess):
    """What set_precision() has set in the configuration of a session: float32 or bfloat16."""
    rewrite = (sess._config or tf.ConfigProto()).graph_options.rewrite_options
    on = rewrite.auto_mixed_precision_onednn_bfloat16 == rewriter_config_pb2.RewriterConfig.ON
    return "bfloat16" if on else "float32"


def threads_of(sess):
    """How many threads an operation has in a session, 0 for all cores."""
    return (sess._config or tf.ConfigProto()).intra_op_parallelism_threads


def processors_arithmetic(path="/proc/cpuinfo"):
    """What the processor has for bfloat16, or None; where the file is not, nothing is known of it."""
    try:
        with open(path) as file:
            flags = re.search(r"^flags\s*:(.*)$", file.read(), re.MULTILINE)
    except OSError:
        return None
    return next((name for name in ARITHMETIC if flags and name in flags[1].split()), None)
