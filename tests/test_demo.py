"""`clnn demo digits`: it learns, repeats itself bit for bit, and leaves a model and a picture."""

import numpy as np
import pytest

import clnn
from clnn.cli import digits, main

pytest.importorskip("sklearn", reason="scikit-learn holds the digits: pip install 'clnn[demo]'")
pytest.importorskip("matplotlib", reason="matplotlib draws the picture: pip install 'clnn[demo]'")


def test_demo_writes_model_and_picture(opencl_device, tmp_path, capsys):
    out = tmp_path / "out"
    assert (
        main(["demo", "digits", "--device", opencl_device, "--epochs", "2", "--out", str(out)]) == 0
    )
    text = capsys.readouterr().out
    assert "test accuracy" in text
    assert "losses equal NumPy's within" in text
    assert str(out / "digits.png") in text.replace("\n", "")
    assert (out / "digits.png").read_bytes().startswith(b"\x89PNG")
    fresh = digits.build(clnn.device("cpu"), seed=1)
    fresh.load_state_dict(clnn.load(out / "digits.safetensors", device="cpu"))


def test_same_seed_same_bits(opencl_device):
    data, device = digits.load(), clnn.device(opencl_device)
    first, again, other = (digits.train(data, device, epochs=1, seed=s).losses for s in (5, 5, 6))
    assert first == again
    assert first != other


def test_demo_reaches_98_percent(opencl_device):
    history = digits.train(digits.load(), clnn.device(opencl_device), epochs=12, seed=0)
    assert history.accuracy[-1] >= 0.98
    assert np.mean(history.losses[-20:]) < 0.1


@pytest.mark.parametrize("arguments", [["--epochs", "0"], ["--device", "opencl:nothing-like-this"]])
def test_bad_arguments_are_one_line(arguments, capsys):
    assert main(["demo", "digits", *arguments]) == 2
    assert capsys.readouterr().err.count("\n") == 1
