"""What is shown of training: History, its picture, and progress."""

import io
import math

import pytest
from rich.console import Console
from training_problem import X, Y, model

from clnn.errors import DTypeError, SettingError
from clnn.training import Callback, History, Progress, plot_history


def test_history_keeps_rows_whole():
    history = History()
    assert history.last() == {}
    history.record(3, {"loss": 1})
    history.record(3, {"loss": 1, "lr": 0.5})
    history.record(4, {"loss": 2.0, "late": 7.0})
    assert history.epoch == [3, 4]
    assert history.history["loss"] == [1.0, 2.0]
    assert history.history["lr"][0] == 0.5
    assert math.isnan(history.history["lr"][1])
    assert math.isnan(history.history["late"][0])
    assert history.last("late") == 7.0


def shown(terminal, **options):
    file = io.StringIO()
    progress = Progress(console=Console(file=file, force_terminal=terminal, width=120), **options)
    m = model("cpu")
    m.fit(X, Y, epochs=2, validation_data=(X, Y), callbacks=[progress])
    return file.getvalue(), m


def test_a_line_per_epoch():
    text, m = shown(terminal=False)
    lines = text.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith(f"epoch 2/2  loss {m.history.last('loss'):.4g}  accuracy ")
    assert f"val_loss {m.history.last('val_loss'):.4g}" in lines[1]


def test_a_bar_in_a_terminal_only():
    assert "\x1b" in shown(terminal=True)[0]
    assert "\x1b" not in shown(terminal=True, bar=False)[0]


def test_verbose_decides(capsys):
    m = model("cpu")
    m.fit(X, Y, verbose=0)
    m.evaluate(X, Y)
    assert capsys.readouterr().out == ""
    m.fit(X, Y, verbose=2)
    found = m.evaluate(X, Y, verbose=1)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/1", "evaluation"]
    assert f"loss {found['loss']:.4g}" in lines[1]


def test_the_bar_reads_a_few_times_a_second_only(monkeypatch):
    import clnn

    backend = clnn.device("cpu").backend
    reads, download = [], backend.download
    monkeypatch.setattr(backend, "download", lambda array: reads.append(1) or download(array))
    clock = iter(k * 0.1 for k in range(10**6))
    monkeypatch.setattr("clnn.training.progress.time.monotonic", lambda: next(clock))
    progress = Progress(console=Console(file=io.StringIO(), force_terminal=True))
    progress.set_params({"epochs": 1, "steps": 100})
    m = model("cpu")
    m.fit(X, Y, batch_size=1, callbacks=[progress])
    # 23 steps of 0.1 s and those of the looks themselves: a look every 3 steps at most, at 2 numbers each
    assert 2 < len(reads) <= 2 * 9 + 2


def test_the_bar_is_taken_off_when_training_fails():
    class Fails(Callback):
        def on_batch_end(self, batch, logs=None):
            raise OSError("disk")

    progress = Progress(console=Console(file=io.StringIO(), force_terminal=True))
    with pytest.raises(OSError, match="disk"):
        model("cpu").fit(X, Y, callbacks=[Fails(), progress])
    assert progress._bar is None
    model("cpu").fit(X, Y, callbacks=[progress])


def test_plot(tmp_path):
    pytest.importorskip("matplotlib")
    m = model("cpu")
    m.fit(X, Y, epochs=3, validation_data=(X, Y), verbose=0)
    figure = plot_history(m.history, tmp_path / "history.png", title="a run")
    assert (tmp_path / "history.png").read_bytes().startswith(b"\x89PNG")
    assert [axis.get_title() for axis in figure.axes] == ["loss", "accuracy"]
    for axis, name in zip(figure.axes, ("loss", "accuracy"), strict=True):
        ours, theirs = axis.lines
        assert ours.get_xdata().tolist() == [1, 2, 3]
        assert ours.get_ydata().tolist() == m.history.history[name]
        assert theirs.get_ydata().tolist() == m.history.history[f"val_{name}"]
    assert len(plot_history(m, names=["accuracy"]).axes) == 1


@pytest.mark.parametrize(
    "history", [{"loss": [3.0, 1e-3]}, {"loss": [1.0, float("nan")], "val_x": [1, 2]}]
)
def test_plot_of_odd_histories(history):
    pytest.importorskip("matplotlib")
    figure = plot_history(History(history, [0, 1]))
    assert len(figure.axes) == len(history)
    assert figure.axes[0].get_yscale() == ("log" if history["loss"][1] < 1 else "linear")


@pytest.mark.parametrize(
    ("history", "options", "error"),
    [
        ({"loss": [1.0]}, {}, DTypeError),
        (History(), {}, SettingError),
        (History({"loss": [1.0]}, [0]), {"names": ["auc"]}, SettingError),
        (History({"loss": [1.0]}, [0]), {"names": []}, SettingError),
    ],
)
def test_plot_mistakes(history, options, error):
    with pytest.raises(error, match="plot_history: expected"):
        plot_history(history, **options)
