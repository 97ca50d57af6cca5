"""What a graph would do on a GPU, read off the installed TensorFlow without one.

TensorFlow's wheel for Linux carries the GPU kernels and registers them, also where there is no GPU:
for each operation the types it is there for, and which of its arguments lie in the host's memory.
"""

import functools

from tensorflow.python.framework import function_def_to_graph, kernels, op_def_registry

IN_LIBRARY = "a message in libtensorflow_cc.so.2"  # its source was not looked up
# Operations that TensorFlow 2.15 refuses on a GPU once op determinism is on. Each line is the
# kernel's source in tensorflow/core/kernels, where OpDeterminismRequired() leads to an
# Unimplemented error.
REFUSED = {
    "AdjustContrast": "adjust_contrast_op.cc",
    "AdjustContrastv2": "adjust_contrast_op.cc",
    "Bincount": "bincount_op_gpu.cu.cc",
    "CropAndResizeGradBoxes": "image/crop_and_resize_op.cc",
    "CropAndResizeGradImage": "image/crop_and_resize_op.cc",
    "DenseBincount": "bincount_op_gpu.cu.cc",
    "Dilation2DBackpropFilter": IN_LIBRARY,
    "Dilation2DBackpropInput": IN_LIBRARY,
    "FakeQuantWithMinMaxVarsGradient": IN_LIBRARY,
    "FakeQuantWithMinMaxVarsPerChannelGradient": IN_LIBRARY,
    "MaxPoolGradWithArgmax": IN_LIBRARY,
    "ResizeNearestNeighborGrad": "image/resize_nearest_neighbor_op.cc",
    "SoftmaxCrossEntropyWithLogits": "xent_op.cc",
    "SparseSoftmaxCrossEntropyWithLogits": "sparse_xent_op.cc",
    "SparseTensorDenseMatMul": "sparse_tensor_dense_matmul_op_gpu.cu.cc",
}
# fused_batch_norm_op.cc: the gradient is refused where the mean is not the batch's.
BATCH_NORM_GRADIENTS = ("FusedBatchNormGrad", "FusedBatchNormGradV2", "FusedBatchNormGradV3")
# Operations whose determinism is to run on the CPU, data copied there and back: scatter_nd_op.cc
# (DoScatterNdOnCpu), resource_variable_ops.cc (DoScatterOnCpu); so also the notes of release 2.8.
ON_THE_CPU = (
    "ResourceScatterAdd",
    "ResourceScatterDiv",
    "ResourceScatterMul",
    "ResourceScatterNdAdd",
    "ResourceScatterNdSub",
    "ResourceScatterNdUpdate",
    "ResourceScatterSub",
    "ScatterNd",
    "TensorScatterAdd",
    "TensorScatterSub",
    "TensorScatterUpdate",
)
PYTHON = ("EagerPyFunc", "PyFunc", "PyFuncStateless", "NumpyFunction")
ENTRY = ("Placeholder", "_Arg")  # arguments of a function
# They lie where nothing is computed: constants, and batches that the host has made.
GIVEN = ("Const", "IteratorGetNext")
ALWAYS_ON_HOST = ("int32", "resource", "string")  # core/framework/types.h: DataTypeAlwaysOnHost


@functools.cache
def gpu_kernels(name):
    """The kernels of an operation that a GPU takes, those made for it first."""
    found = [k for k in kernels.get_registered_kernels_for_op(name).kernel]
    return [k for kind in ("GPU", "DEFAULT") for k in found if k.device_type == kind]


def has_gpu_kernels():
    """Whether this build of TensorFlow has GPU kernels at all."""
    return any(kernel.device_type == "GPU" for kernel in gpu_kernels("Conv2D"))


def problems(function):
    """What keeps a traced function from running wholly and deterministically on a GPU.

    Args:
        function: `tf.types.experimental.ConcreteFunction`.
    Returns:
        sorted list of str: what is wrong, the operation and its name. Functions inside (loops,
        branches, gradients) are walked too.
    """
    found, seen = set(), set()
    graphs = [(function.graph, False)]
    library = {f.signature.name: f for f in function.graph.as_graph_def().library.function}
    while graphs:
        graph, is_condition = graphs.pop()
        for op in graph.get_operations():
            found.update(f"{problem}: {op.type} {op.name}" for problem in _problems_of(op))
            for name in _functions_of(op):
                if name not in seen:
                    seen.add(name)
                    inner = function_def_to_graph.function_def_to_graph(library[name])
                    graphs.append((inner, "While" in op.type and _condition(op) == name))
        for tensor in graph.outputs if graph is not function.graph else ():
            if (is_condition or tensor.dtype.name == "int32") and not _on_host(tensor):
                found.add(f"host round trip: result {tensor.op.type} {tensor.name}")
    return sorted(found)


def operations(function):
    """Names of all kinds of operations in a traced function and the functions inside."""
    definition = function.graph.as_graph_def()
    nodes = [*definition.node, *(n for f in definition.library.function for n in f.node_def)]
    return {node.op for node in nodes}


def _problems_of(op):
    if op.type in ENTRY:
        return
    if op.type in PYTHON:
        yield "host round trip"
        return
    if op.type in REFUSED:
        yield f"refused under determinism ({REFUSED[op.type]})"
    if op.type in BATCH_NORM_GRADIENTS and not op.get_attr("is_training"):
        yield "refused under determinism (fused_batch_norm_op.cc)"
    if op.type in ON_THE_CPU:
        yield "host round trip under determinism"
    kernel = _kernel(op)
    if kernel is None:
        yield "no GPU kernel"
        return
    if "While" in op.type:
        return  # what a loop is given is copied once, before its first step
    wanted = _arguments(op, "input_arg")
    for tensor, name in zip(op.inputs, wanted):
        if _wants_host(op, kernel, name, tensor.dtype) and not _on_host(tensor):
            yield f"host round trip for {name}, {tensor.dtype.name} of {tensor.op.type}"


def _kernel(op):
    """The kernel that a GPU would take for the operation's types; None without one."""
    for kernel in gpu_kernels(op.type):
        if all(_types(op, c.name) <= set(c.allowed_values.list.type) for c in kernel.constraint):
            return kernel
    return None


def _types(op, attribute):
    value = op.node_def.attr[attribute]
    return set(value.list.type) if value.HasField("list") else {value.type}


def _wants_host(op, kernel, name, dtype):
    if name in kernel.host_memory_arg:
        return True
    return bool(_functions_of(op)) and dtype.name in ALWAYS_ON_HOST


def _on_host(tensor):
    """Whether a tensor is in the host's memory, or was given and not computed."""
    while tensor.op.type == "Identity":  # Grappler drops them
        tensor = tensor.op.inputs[0]
    op = tensor.op
    if op.type in GIVEN:
        return True
    if op.type in ENTRY or _functions_of(op):  # core/framework/memory_types.cc
        return tensor.dtype.name in ALWAYS_ON_HOST
    kernel = _kernel(op)
    name = _arguments(op, "output_arg")[tensor.value_index]
    return kernel is None or name in kernel.host_memory_arg


def _arguments(op, kind):
    """The name of the definition's argument that each input or output of the operation is of."""
    names = []
    for argument in getattr(op_def_registry.get(op.type), kind):
        count = 1
        if argument.number_attr:
            count = op.get_attr(argument.number_attr)
        elif argument.type_list_attr:
            count = len(op.get_attr(argument.type_list_attr))
        names += [argument.name] * count
    return names


def _functions_of(op):
    """Names of the functions that the operation calls."""
    values = op.node_def.attr.values()
    listed = [f.name for value in values for f in value.list.func]
    return listed + [value.func.name for value in values if value.HasField("func")]


def _condition(op):
    return op.node_def.attr["cond"].func.name
