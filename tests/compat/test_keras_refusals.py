"""What from_keras refuses: code, options without a counterpart, damaged files and files that mean harm."""

import builtins
import json
import os
import random
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from keras_files import (
    PUT,
    SMALL,
    WEIGHTS,
    dense,
    drawn,
    entry,
    put_h5,
    put_keras,
    recurrent,
    reference,
    sequential,
)

import clnn
from clnn import nn
from clnn.errors import ClnnError, DTypeError, FileFormatError, SettingError, UnsupportedOpError

h5py = pytest.importorskip("h5py")


def test_code_in_a_file_is_named_and_not_run(tmp_path):
    bad = entry(
        "Lambda", "evil", function={"class_name": "__lambda__", "config": {"code": "cHJpbnQoMSk="}}
    )
    put_keras(tmp_path / "m.keras", sequential((4,), bad), {})
    with pytest.raises(UnsupportedOpError, match=r"layer 'evil' \(Lambda\)"):
        clnn.from_keras(tmp_path / "m.keras")


def test_options_without_a_counterpart_name_the_layer(tmp_path):
    for end, put in PUT.items():
        put(
            tmp_path / f"m.{end}",
            sequential((5, 2), recurrent("GRU", stateful=True)),
            {"r": {"cell": drawn("GRU")}},
        )
        with pytest.raises(UnsupportedOpError, match=r"'r' \(GRU\): expected stateful=False"):
            clnn.from_keras(tmp_path / f"m.{end}")


def test_what_is_no_model_is_a_type_error(tmp_path):
    with pytest.raises(DTypeError, match="path or a Keras model, got int"):
        clnn.from_keras(3)
    with pytest.raises(FileNotFoundError):
        clnn.from_keras(tmp_path / "nothing.keras")
    with pytest.raises(IsADirectoryError):
        clnn.from_keras(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"nonsense" * 100, b"PK\x03\x04" + b"\0" * 100, b"\x89HDF\r\n\x1a\n" + b"\0" * 90],
)
def test_foreign_files_are_refused(content, tmp_path):
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(FileFormatError, match="expected a model of Keras"):
        clnn.from_keras(tmp_path / "m")


def test_without_h5py_the_way_out_is_named(tmp_path, monkeypatch):
    put_h5(tmp_path / "m.h5", SMALL, WEIGHTS)
    real = builtins.__import__

    def refuse(name, *rest, **named):
        if name == "h5py":
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(SettingError, match=r"pip install 'clnn\[keras\]'"):
        clnn.from_keras(tmp_path / "m.h5")


def test_import_clnn_loads_no_part_of_it():
    program = "import sys, clnn; sys.exit(any(n.startswith(('clnn.compat', 'h5py')) for n in sys.modules))"
    source = str(Path(clnn.__file__).parents[1])
    ran = subprocess.run([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": source})
    assert ran.returncode == 0
    assert not hasattr(clnn, "from_torch")


def huge(file):
    del file["layers/dense/vars/0"]
    file.create_dataset("layers/dense/vars/0", (1 << 20, 1 << 20), "f4", chunks=(1024, 1024))


def elsewhere(file):
    del file["layers/dense/vars/0"]
    file.create_dataset("layers/dense/vars/0", (36, 3), "f4", external=[("/etc/passwd", 0, 432)])


def linked(file):
    del file["layers/dense"]
    file["layers/dense"] = h5py.ExternalLink("other.h5", "/layers/dense")


def virtual(file):
    del file["layers/dense/vars/0"]
    layout = h5py.VirtualLayout((36, 3), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "data", (36, 3))
    file.create_virtual_dataset("layers/dense/vars/0", layout)


def missing(file):
    del file["layers/dense/vars/1"]


def gone(file):
    del file["layers/dense"]


def strings(file):
    del file["layers/dense/vars/0"]
    file["layers/dense/vars/0"] = ["a", "b"]


def misnamed(file):
    file["layers/dense/vars/zero"] = [1.0]


def flat(file):
    del file["layers/dense/vars/0"]
    file["layers/dense/vars/0"] = np.zeros(108, "f4")


def other(file):
    del file["layers/dense/vars/1"]
    file["layers/dense/vars/1"] = np.zeros(4, "f4")


def uneven(file):
    del file["layers/dense/vars/0"]
    file["layers/dense/vars/0"] = np.zeros((35, 3), "f4")


@pytest.mark.parametrize(
    "edit",
    [huge, elsewhere, linked, virtual, missing, gone, strings, misnamed, flat, other, uneven],
)
def test_weights_that_mean_harm_are_refused(edit, tmp_path):
    put_keras(tmp_path / "m.keras", SMALL, WEIGHTS, edit)
    with pytest.raises(FileFormatError, match="from_keras: "):
        clnn.from_keras(tmp_path / "m.keras", device="cpu")


def test_an_archive_that_swells_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", json.dumps(SMALL))
        with archive.open("model.weights.h5", "w") as member:
            for _ in range(80):
                member.write(b"\0" * (1 << 20))
    with pytest.raises(FileFormatError, match=r"model.weights.h5 of 83886080 bytes"):
        clnn.from_keras(tmp_path / "m.keras")


def spoilt(config, rng):
    """The config with one value somewhere gone or changed."""
    found = json.loads(json.dumps(config))
    places = []

    def walk(value):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            places.append((value, key))
            if isinstance(value[key], (dict, list)):
                walk(value[key])

    walk(found)
    into, key = rng.choice(places)
    new = rng.choice(
        ["gone", None, -1, 0, 1 << 70, 1.5, "text", [], {}, [[]], True, [1, 2, 3], float("nan")]
    )
    if new == "gone":
        del into[key]
    else:
        into[key] = new
    return found


def refused_or_read(path):
    """Nothing but an error of clnn's, or a model."""
    said = "from_keras: "
    try:
        found = clnn.from_keras(path, device="cpu")
    except ClnnError as error:
        found, said = None, str(error)
    assert said.startswith("from_keras: ")
    assert found is None or isinstance(found, nn.Module)


BRANCHED = {"class_name": "Functional", "config": {
    "name": "f", "input_layers": [["x", 0, 0]], "output_layers": [["y", 0, 0]], "layers": [
        entry("InputLayer", "x", [], batch_shape=[None, 36]),
        dense("add", [{"args": [reference("x")], "kwargs": {}}]),
        entry("Concatenate", "y", [{"args": [[reference("add")] * 2], "kwargs": {}}], axis=-1)]}}  # fmt: skip


@pytest.mark.parametrize("config", [SMALL, BRANCHED], ids=["chain", "graph"])
@pytest.mark.parametrize("seed", range(150))
def test_a_spoilt_config_is_refused_or_makes_a_model(config, seed, tmp_path):
    put_keras(tmp_path / "good", config, WEIGHTS)
    bad = spoilt(config, random.Random(seed))
    with (
        zipfile.ZipFile(tmp_path / "good") as good,
        zipfile.ZipFile(tmp_path / "m.keras", "w") as archive,
    ):
        archive.writestr("config.json", json.dumps(bad))
        archive.writestr("model.weights.h5", good.read("model.weights.h5"))
    refused_or_read(tmp_path / "m.keras")


@pytest.mark.parametrize("seed", range(60))
def test_damaged_weights_are_refused_or_make_a_model(seed, tmp_path):
    put_keras(tmp_path / "good", SMALL, WEIGHTS)
    rng = random.Random(seed)
    with zipfile.ZipFile(tmp_path / "good") as good:
        content = bytearray(good.read("model.weights.h5"))
    if seed % 3 == 0:
        content = content[: rng.randrange(1, len(content))]
    for _ in range(rng.choice([1, 10, 100])):
        content[rng.randrange(len(content))] = rng.randrange(256)
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(SMALL))
        archive.writestr("model.weights.h5", bytes(content))
    refused_or_read(tmp_path / "m.keras")


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_archive_is_refused_or_makes_a_model(seed, tmp_path):
    path, rng = tmp_path / "m.keras", random.Random(seed)
    put_keras(path, SMALL, WEIGHTS)
    content = bytearray(path.read_bytes())
    if seed % 3 == 0:
        content = content[: rng.randrange(1, len(content))]
    for _ in range(rng.choice([1, 10, 100])):
        content[rng.randrange(len(content))] = rng.randrange(256)
    path.write_bytes(content)
    refused_or_read(path)


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.9, 0.999])
def test_a_truncated_h5_file_is_refused(share, tmp_path):
    put_h5(tmp_path / "m.h5", SMALL, WEIGHTS)
    content = (tmp_path / "m.h5").read_bytes()
    (tmp_path / "m.h5").write_bytes(content[: int(share * len(content))])
    with pytest.raises(FileFormatError, match="damaged or foreign"):
        clnn.from_keras(tmp_path / "m.h5")


def no_config(file):
    del file.attrs["model_config"]


def config_of_numbers(file):
    file.attrs["model_config"] = [1.0, 2.0]


def no_weights(file):
    del file["model_weights"]


def no_names(file):
    del file["model_weights/first"].attrs["weight_names"]


def other_names(file):
    file["model_weights/first"].attrs["weight_names"] = ["/etc", "nothing"]


def soft(file):
    del file["model_weights/first"]
    file["model_weights/first"] = h5py.SoftLink("/model_weights")


@pytest.mark.parametrize(
    "edit", [no_config, config_of_numbers, no_weights, no_names, other_names, soft]
)
def test_h5_files_that_lack_something_are_refused(edit, tmp_path):
    put_h5(tmp_path / "m.h5", SMALL, WEIGHTS, edit=edit)
    with pytest.raises(FileFormatError, match="from_keras: "):
        clnn.from_keras(tmp_path / "m.h5")


def test_models_in_models_without_end_are_refused(tmp_path):
    model = SMALL
    for k in range(40):
        model = sequential((5, 6, 2), {**model, "config": {**model["config"], "name": f"m{k}"}})
    put_keras(tmp_path / "m.keras", model, {})
    with pytest.raises(ClnnError, match="from_keras: "):
        clnn.from_keras(tmp_path / "m.keras")


def test_a_cycle_is_refused(tmp_path):
    call = [{"args": [reference("y")], "kwargs": {}}]
    model = {"class_name": "Functional", "config": {
        "name": "f", "input_layers": [["x", 0, 0]], "output_layers": [["y", 0, 0]], "layers": [
            entry("InputLayer", "x", [], batch_shape=[None, 36]), dense("y", call)]}}  # fmt: skip
    put_keras(tmp_path / "m.keras", model, {})
    with pytest.raises(FileFormatError, match="operands of 'y' that nothing computes"):
        clnn.from_keras(tmp_path / "m.keras")
