"""The session's configuration, and --precision bfloat16: TensorFlow's own rewrite of the graph computes convolutions
and matrix products in bfloat16. A step takes 0.6 of its time as written, half with --fast.

Variables, the optimizers' variables, moving averages and losses stay float32, and so does a checkpoint: either
precision can continue from it.
"""
import re
import sys

import tensorflow.compat.v1 as tf
from tensorflow.core.protobuf import rewriter_config_pb2

ARITHMETIC = ("amx_bf16", "avx512_bf16")  # the names of processor features for bfloat16


def session_config(threads=0, precision=None):
    """The tf.ConfigProto of a session on one device: one operation at a time, on `threads` of the cores (0: all).

    Two operations at a time would compete for the cores; one at a time, a step as written takes 0.97 of the time
    (benchmarks/README.md). precision: the flag --precision, if it should be set now.
    """
    config = tf.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=1)
    if precision:
        set_precision(config, precision)
    return config


def set_precision(config, precision):
    """Set a session's tf.ConfigProto to the flag --precision; returns float32 or bfloat16.

    auto: what fastest_precision() returns. A line says what auto has chosen, or warns that bfloat16 will be slow.
    """
    if precision == "auto":
        precision, why = fastest_precision()
        print(f" [*] --precision {precision}: {why}")
    elif precision == "bfloat16" and not processors_arithmetic():
        print(" [!] this processor has no arithmetic for bfloat16: it will be slower than float32", file=sys.stderr)
    if precision == "bfloat16":
        rewrite = config.graph_options.rewrite_options
        rewrite.auto_mixed_precision_onednn_bfloat16 = rewriter_config_pb2.RewriterConfig.ON
        rewrite.remapping = rewriter_config_pb2.RewriterConfig.OFF  # its fused operations fail on a cluster
    return precision


def fastest_precision():
    """What --precision auto chooses here, and why: bfloat16 if the processor has arithmetic for it.

    On a GPU it is float32, for which TensorFlow uses the TF32 of the tensor cores by itself.
    """
    if tf.config.list_physical_devices("GPU"):
        return "float32", "there is a GPU"
    arithmetic = processors_arithmetic()
    return "bfloat16" if arithmetic else "float32", f"the processor has {arithmetic or 'no arithmetic for bfloat16'}"


def precision_of(sess):
    """The precision of a session, as set by set_precision(): float32 or bfloat16."""
    rewrite = (sess._config or tf.ConfigProto()).graph_options.rewrite_options
    on = rewrite.auto_mixed_precision_onednn_bfloat16 == rewriter_config_pb2.RewriterConfig.ON
    return "bfloat16" if on else "float32"


def threads_of(sess):
    """The number of threads per operation in a session, 0 for all cores."""
    return (sess._config or tf.ConfigProto()).intra_op_parallelism_threads


def processors_arithmetic(path="/proc/cpuinfo"):
    """The processor's feature for bfloat16, or None if it has none or the file does not exist."""
    try:
        with open(path) as file:
            flags = re.search(r"^flags\s*:(.*)$", file.read(), re.MULTILINE)
    except OSError:
        return None
    return next((name for name in ARITHMETIC if flags and name in flags[1].split()), None)
