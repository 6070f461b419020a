"""Where a graph can be cut: the layers whose output every path from its input to its output crosses."""

import keras


def legal_cuts(model: keras.Model) -> list[str]:
    """Names of the layers whose output every path from the input to the output crosses, in graph order."""
    operations = model.operations  # layers, and bare operations such as x / 255
    position = {operation.name: i for i, operation in enumerate(operations)}
    reach = list(range(len(operations)))  # the highest operation that reads operation i
    for i, operation in enumerate(operations):
        inputs = [] if isinstance(operation, keras.layers.InputLayer) else keras.tree.flatten(operation.input)
        for tensor in inputs:
            below = position[tensor._keras_history.operation.name]
            reach[below] = max(reach[below], i)
    cuts, highest = [], 0
    for i, operation in enumerate(operations):
        if highest <= i and isinstance(operation, keras.layers.Layer):
            cuts.append(operation.name)
        highest = max(highest, reach[i])
    return cuts
