"""Every public name and signature of MPNeuralNetwork 1.1.1 exists, in the same module."""

import importlib
import inspect

import pytest

ROOT = "clnn.compat.mpneuralnetwork"
MODULES = [
    "", "activations", "backend", "layers", "layers.layer", "layers.layer1d", "layers.layer2d", "layers.utils",
    "losses", "metrics", "model", "optimizers", "serialization",
]  # fmt: skip
# What a module defines that is neither a class nor a function.
CONSTANTS = {
    "activations": {"T"}, "backend": {"ArrayType", "BACKEND_TYPE", "DTYPE", "xp"}, "layers.layer": {"Lit_W"},
    "optimizers": {"Lit_R", "T"},
}  # fmt: skip

# Inherited methods stand at the class that has them first.
NAMES = """
ArrayType
DTYPE
to_device
to_host
xp
activations.Activation(activation, activation_prime)
activations.PReLU(alpha=0.01)
activations.ReLU()
activations.Sigmoid()
activations.Softmax(temperature=1.0, epsilon=1e-08)
activations.Swish()
activations.T
activations.Tanh()
backend.ArrayType
backend.BACKEND_TYPE
backend.DTYPE
backend.get_backend()
backend.to_device(array)
backend.to_host(array)
backend.xp
layers.AveragePooling2D
layers.BatchNormalization
layers.BatchNormalization2D
layers.Convolutional
layers.Dense
layers.Dropout
layers.Flatten
layers.Layer
layers.Lit_W
layers.MaxPooling2D
layers.layer.Layer(output_shape=None, input_shape=None)
layers.layer.Layer.backward(output_gradient_batch)
layers.layer.Layer.build(input_shape)
layers.layer.Layer.forward(input_batch, training=True)
layers.layer.Layer.get_config()
layers.layer.Layer.input_size
layers.layer.Layer.load_params(params)
layers.layer.Layer.output_size
layers.layer.Layer.params
layers.layer.Layer.state
layers.layer.Lit_W
layers.layer1d.BatchNormalization(momentum=0.9, epsilon=1e-08)
layers.layer1d.Dense(output_size, input_size=None, initialization='auto', no_bias=False)
layers.layer1d.Dense.init_weights(method, no_bias)
layers.layer1d.Dropout(probability=0.5)
layers.layer2d.AveragePooling2D(pool_size=2, strides=None)
layers.layer2d.BatchNormalization2D(momentum=0.9, epsilon=1e-08)
layers.layer2d.Convolutional(output_depth, kernel_size, input_shape=None, initialization='auto', no_bias=False, \
padding='valid', stride=1)
layers.layer2d.Convolutional.init_weights(method, no_bias)
layers.layer2d.Flatten(output_shape=None, input_shape=None)
layers.layer2d.MaxPooling2D(pool_size=2, strides=None)
layers.utils.col2im(cols, input_shape, output_shape, window_size, stride=1)
layers.utils.im2col(input_batch, window_size, stride=None)
losses.BinaryCrossEntropy()
losses.CategoricalCrossEntropy(temperature=1.0, epsilon=1e-08)
losses.Loss
losses.Loss.direct(output, output_expected)
losses.Loss.get_config()
losses.Loss.prime(output, output_expected)
losses.MSE
metrics.Accuracy
metrics.F1Score(epsilon=1e-08)
metrics.MAE
metrics.Metric
metrics.Metric.__call__(y_true, y_pred)
metrics.Metric.get_config()
metrics.Precision(epsilon=1e-08)
metrics.R2Score(epsilon=1e-08)
metrics.RMSE
metrics.RMSE.from_mse(mse)
metrics.Recall(epsilon=1e-08)
metrics.TopKAccuracy(k)
model.Model(layers, loss, optimizer=None, metrics=None)
model.Model.evaluate(X, y, training=False, compute_metrics=True)
model.Model.get_weights(optimizer_params=None)
model.Model.predict(X)
model.Model.restore_weights(weights_dict, optimizer=None)
model.Model.test(X_test, y_test)
model.Model.train(X_train, y_train, epochs, batch_size, evaluation=None, auto_evaluation=0.2, early_stopping=None, \
model_checkpoint=True, compute_train_metrics=False)
optimizers.Adam(learning_rate=0.001, regularization='L2', weight_decay=0.001, beta1=0.9, beta2=0.999, epsilon=1e-08)
optimizers.Lit_R
optimizers.Optimizer(learning_rate, regularization, weight_decay)
optimizers.Optimizer.apply_regularization(param_name, param)
optimizers.Optimizer.get_config()
optimizers.Optimizer.params
optimizers.Optimizer.step(layers)
optimizers.RMSprop(learning_rate=0.001, regularization='L2', weight_decay=0.001, decay_rate=0.9, epsilon=1e-08)
optimizers.SGD(learning_rate=0.01, regularization='L2', weight_decay=0.001, momentum=0.1)
optimizers.T
serialization.NumpyEncoder
serialization.get_model_weights(layers, optimizer_params=None)
serialization.load_model(path)
serialization.restore_model_weights(layers, weights_dict, optimizer=None)
serialization.save_model(model, filepath)
"""


def signature(function):
    found = inspect.signature(function)
    plain = [p.replace(annotation=p.empty) for p in found.parameters.values() if p.name != "self"]
    return str(found.replace(parameters=plain, return_annotation=found.empty))


def listed(root):
    """The names that the package `root` defines or re-exports, with signatures."""
    for path in MODULES:
        module = importlib.import_module(f"{root}.{path}".rstrip("."))
        defined = {
            name for name, value in vars(module).items()
            if name[0] != "_" and getattr(value, "__module__", "") == module.__name__
        }  # fmt: skip
        names = getattr(module, "__all__", None) or defined | CONSTANTS.get(path, set())
        for name in sorted(names):
            value, at = getattr(module, name), f"{path}.{name}".lstrip(".")
            own = getattr(value, "__module__", "") == module.__name__
            if not own or not callable(value):
                yield at
            elif inspect.isfunction(value):
                yield at + signature(value)
            else:
                made = (
                    inspect.isfunction(value.__init__) and value.__init__.__module__[:4] == root[:4]
                )
                yield at + (signature(value) if made else "")
                yield from (f"{at}.{m}" for m in methods(value))


def methods(cls):
    """Properties and public methods that no base of `cls` has."""
    for name, value in sorted(vars(cls).items()):
        if name[0] == "_" and name != "__call__":
            continue
        if any(name in vars(base) for base in cls.__mro__[1:]):
            continue
        if isinstance(value, property):
            yield name
        elif inspect.isfunction(value):
            yield name + signature(value)


@pytest.mark.peers
def test_the_list_is_the_original_s():
    pytest.importorskip("mpneuralnetwork")
    assert list(listed("mpneuralnetwork")) == NAMES.split("\n")[1:-1]


@pytest.mark.parametrize("line", NAMES.split("\n")[1:-1])
def test_the_name_exists(line):
    name, bracket, arguments = line.partition("(")
    parts = name.split(".")
    path = max((m for m in MODULES if f"{name}.".startswith(f"{m}.".lstrip("."))), key=len)
    value = importlib.import_module(f"{ROOT}.{path}".rstrip("."))
    for part in parts[len(path.split(".")) if path else 0 :]:
        value = getattr(value, part)
    if bracket:
        assert signature(value) == bracket + arguments
