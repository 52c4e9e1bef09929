"""How far a float32 answer may be from the exact one, whatever the order of its sums: what tests hold float predictions to.

TensorFlow, OpenBLAS and narrow add in orders that depend on the machine's instruction set. What holds for every order is Higham's bound
(Accuracy and Stability of Numerical Algorithms, sections 3.1 and 4.2): the computed sum of n products is off by at most
gamma(n) = n u / (1 - n u) times the sum of their magnitudes, with u = 2^-24 the unit roundoff of float32. Each layer adds its own
bound to the one of its input, which its weights pass on by their magnitudes.
"""

import keras
import numpy as np

UNIT_ROUNDOFF = 2.0**-24


def gamma(n):
    return n * UNIT_ROUNDOFF / (1 - n * UNIT_ROUNDOFF)


def in_float64(model, custom_objects=None):
    """The same Keras model with the same weights, computing in float64."""
    twin = keras.models.model_from_json(model.to_json().replace("float32", "float64"), custom_objects=custom_objects)
    if isinstance(twin, keras.Sequential):  # as a graph of new layers, each with one input
        tensor = inputs = keras.Input(model.input_shape[1:], dtype="float64")
        for layer in twin.layers:
            tensor = layer.__class__.from_config(layer.get_config())(tensor)
        twin = keras.Model(inputs, tensor)
    twin.set_weights([np.asarray(w, np.float64) for w in model.get_weights()])
    return twin


def exact_and_bound(model, x, custom_objects=None):
    """Keras' own predictions in float64 (outputs side by side), and the bound of each."""
    twin = in_float64(model, custom_objects)
    layers = [layer for layer in twin.operations if not isinstance(layer, keras.layers.InputLayer)]
    tensors = keras.Model(twin.inputs, [layer.output for layer in layers])(np.asarray(x, np.float64))
    produced = {id(layer.output): np.asarray(value) for layer, value in zip(layers, tensors if isinstance(tensors, (list, tuple)) else [tensors])}
    # What no layer makes is the input.
    values = {id(layer.input): np.asarray(x, np.float64) for layer in layers if id(layer.input) not in produced}
    errors = {key: np.zeros(x.shape) for key in values}
    waiting = list(layers)  # Keras lists operations behind the layers that use them
    while waiting:
        layer = next(layer for layer in waiting if id(layer.input) in values)
        waiting.remove(layer)
        source, result = id(layer.input), id(layer.output)
        values[result] = produced[result]
        errors[result] = error_of(layer, values[source], errors[source], values[result])
    both = [np.concatenate([which[id(output)].reshape(len(x), -1) for output in twin.outputs], axis=1) for which in (values, errors)]
    return both[0], both[1]


CURVED = ("sigmoid", "tanh", "softplus", "softsign", "softmax")
ROUNDED = (*CURVED, "elu", "selu", "hard_sigmoid")  # activations whose values are no whole numbers


def function_of(layer):
    """The name of the function that a layer is, or has behind it."""
    if isinstance(layer, keras.layers.Softmax):
        return "softmax"
    if isinstance(layer, keras.layers.ELU):
        return "elu"
    return getattr(getattr(layer, "activation", None), "__name__", "")


def curved(function, error, size, y):
    """Behind a function that falls or climbs by at most 1 for a step of 1: a few roundings of its own, the C library's included."""
    if function != "softmax":
        return error + gamma(6) * np.abs(y)
    # The difference from the highest score is rounded, and moves the logarithm of each value by as much; so do the others by the sum.
    moved = 2 * np.max(error + gamma(1) * 2 * size.max(axis=-1, keepdims=True), axis=-1, keepdims=True)
    return np.abs(y) * (np.expm1(moved) + gamma(y.shape[-1] + 6))


SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


def leaked(activation, error, size, y):
    """Behind a function that is linear in pieces, or exponential below 0: at most its steepest slope, and a few roundings of its own."""
    if isinstance(activation, keras.layers.Activation):
        activation = activation.activation
    function = getattr(activation, "__name__", "")
    if function == "selu":
        return SELU_SCALE * SELU_ALPHA * error + gamma(6) * (np.abs(y) + SELU_SCALE * SELU_ALPHA)
    if function == "elu" or isinstance(activation, keras.layers.ELU):
        alpha = getattr(activation, "alpha", 1.0)  # exp(x) - 1 is rounded as exp(x) is, at most 1
        return max(1, alpha) * error + gamma(4) * (np.abs(y) + alpha)
    if function == "hard_sigmoid":  # (x + 3) / 6, its terms rounded
        return error / 6 + gamma(3) * (size / 6 + 0.5)
    slope = getattr(activation, "negative_slope", 0.2 if activation is keras.activations.leaky_relu else 0)
    if isinstance(activation, keras.layers.PReLU):
        slope = np.abs(np.asarray(activation.alpha))
    return np.maximum(1, slope) * error + gamma(1) * slope * size


def error_of(layer, x, error, y):
    size = np.abs(x) + error
    if isinstance(layer, keras.layers.Dense):
        weights = [np.abs(w) for w in layer.get_weights()]
        sums = size @ weights[0] + (weights[1] if len(weights) > 1 else 0)
        of_sums = error @ weights[0] + gamma(x.shape[-1] + 1) * sums
        return curved(function_of(layer), of_sums, sums, y) if function_of(layer) in CURVED else leaked(layer.activation, of_sums, sums, y)
    if isinstance(layer, keras.layers.BatchNormalization):
        scale = np.abs((layer.gamma if layer.scale else 1) / np.sqrt(np.asarray(layer.moving_variance) + layer.epsilon))
        beta = np.abs(np.asarray(layer.beta)) if layer.center else 0
        # 1 / sqrt and its products, the product with x or the mean, and the sum: at most 10 roundings, an approximate 1 / sqrt included.
        return error * scale + gamma(10) * ((size + np.abs(np.asarray(layer.moving_mean))) * scale + beta)
    if isinstance(layer, keras.layers.GlobalAveragePooling1D):
        return error.mean(axis=1) + gamma(x.shape[1]) * size.mean(axis=1)
    if isinstance(layer, keras.layers.Flatten):
        return error.reshape(y.shape)
    if function_of(layer) in CURVED:
        return curved(function_of(layer), error, size, y)
    if y.shape == x.shape:  # what passes its input on is exact, and so is relu, whose outputs are never farther apart than its inputs
        return leaked(layer, error, size, y)
    return error.sum(axis=1) + gamma(x.shape[1] - 1) * size.sum(axis=1)  # the sum over the set axis
