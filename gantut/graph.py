"""Computes a loss, which the class defines once, from other tensors: its operations are copied in the graph."""
import tensorflow.compat.v1 as tf


def again(loss, old, new):
    """The tensor `loss` computed from the tensors `new` instead of `old`: a copy of the operations between them.

    If there is nothing to copy, or the copy would still depend on what `old` was computed from, it is `loss` itself.
    """
    if not depends(loss, old):
        return loss
    copies = {tensor.name: other for tensor, other in zip(old, new)}
    passed = {}  # whether an operation depends on old, by its name

    def leads_there(tensor):
        if tensor.name in copies:
            return True
        if tensor.op.name not in passed:
            passed[tensor.op.name] = depends(tensor, old)
        return passed[tensor.op.name]

    def copy(tensor):
        if tensor.name not in copies:
            op = tensor.op
            inputs = [copy(x) if leads_there(x) else x for x in op.inputs]
            attrs = {name: value for name, value in op.node_def.attr.items() if not name.startswith("_")}
            made = op.graph.create_op(op.type, inputs, [x.dtype for x in op.outputs], attrs=attrs, name=op.type)
            copies.update((x.name, y) for x, y in zip(op.outputs, made.outputs))
        return copies[tensor.name]

    with tf.name_scope("again"):
        result = copy(loss)
    its_own = ancestors(old) - ancestors(new)
    return loss if its_own & ancestors([result]) else result


def ancestors(tensors):
    """The names of the operations that tensors are computed from, by their inputs."""
    found, ops = set(), [tensor.op for tensor in tensors]
    while ops:
        op = ops.pop()
        if op.name not in found:
            found.add(op.name)
            ops += [x.op for x in op.inputs]
    return found


def depends(tensor, others):
    """Whether a tensor is computed from one of the others."""
    return bool(ancestors([tensor]) & {other.op.name for other in others})
