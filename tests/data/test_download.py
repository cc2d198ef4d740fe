"""Downloads from mirrors on this machine: whole and right, or an error that says why."""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from server import Mirror, serving

from clnn.data import download
from clnn.data.download import Remote, fetch
from clnn.errors import ClnnError, DatasetError

NAME = "some-file.gz"
CONTENT = bytes(range(256)) * 1000 + b"end"
REMOTE = Remote(NAME, len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture(autouse=True)
def _direct(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def good(**options):
    return Mirror({NAME: CONTENT}, **options)


def only(folder):
    """The one file of a folder, hidden ones too."""
    (found,) = folder.iterdir()
    return found


def drafts(folder):
    return sorted(folder.glob(f".{NAME}.*.part"))


def test_a_file_arrives_whole_and_is_not_asked_for_twice(tmp_path):
    mirror = good()
    with serving(mirror) as urls:
        path = fetch("MNIST", REMOTE, urls, tmp_path / "new" / "folder")
        assert fetch("MNIST", REMOTE, urls, tmp_path / "new" / "folder") == path
    assert path == only(tmp_path / "new" / "folder")
    assert path.read_bytes() == CONTENT
    assert mirror.asked == [(NAME, None)]


def test_a_cut_connection_is_resumed_where_it_broke(tmp_path):
    mirror = good(cuts={NAME: [100_000, 50_001]})
    with serving(mirror) as urls:
        assert fetch("MNIST", REMOTE, urls, tmp_path).read_bytes() == CONTENT
    assert mirror.asked == [(NAME, None), (NAME, "bytes=100000-"), (NAME, "bytes=150001-")]
    assert only(tmp_path).name == NAME


def test_a_server_without_ranges_starts_over(tmp_path):
    mirror = good(ranges=False, cuts={NAME: [100_000]})
    with serving(mirror) as urls:
        assert fetch("MNIST", REMOTE, urls, tmp_path).read_bytes() == CONTENT
    assert mirror.asked == [(NAME, None), (NAME, "bytes=100000-")]


def test_what_one_mirror_sent_another_one_continues(tmp_path):
    first = good(cuts={NAME: [70_000, 0]})
    second = good()
    with serving(first, second) as urls:
        assert fetch("MNIST", REMOTE, urls, tmp_path).read_bytes() == CONTENT
    assert second.asked == [(NAME, "bytes=70000-")]


def test_a_later_call_continues(tmp_path):
    with (
        serving(good(cuts={NAME: [70_000, 0]})) as urls,
        pytest.raises(DatasetError, match="70000 of 256003 bytes"),
    ):
        fetch("MNIST", REMOTE, urls, tmp_path)
    assert only(tmp_path).read_bytes() == CONTENT[:70_000]
    mirror = good()
    with serving(mirror) as urls:
        fetch("MNIST", REMOTE, urls, tmp_path)
    assert mirror.asked == [(NAME, "bytes=70000-")]
    assert only(tmp_path).name == NAME


def test_corrupted_content_is_never_put_in_place(tmp_path):
    spoilt = CONTENT[:-1] + b"X"
    with serving(Mirror({NAME: spoilt}), good()) as urls:
        with pytest.raises(DatasetError, match="another sha256") as caught:
            fetch("MNIST", REMOTE, urls[:1], tmp_path)
        assert list(tmp_path.iterdir()) == []
        assert fetch("MNIST", REMOTE, urls, tmp_path).read_bytes() == CONTENT
    assert isinstance(caught.value, ClnnError)
    assert isinstance(caught.value, RuntimeError)


def test_a_part_that_does_not_fit_the_rest_is_thrown_away(tmp_path):
    draft = tmp_path / f".{NAME}.0123abcd.part"
    draft.write_bytes(b"?" * 1000)
    os.utime(draft, (0, 0))
    mirror = good()
    with serving(mirror) as urls:
        assert fetch("MNIST", REMOTE, urls, tmp_path).read_bytes() == CONTENT
    assert mirror.asked == [(NAME, "bytes=1000-"), (NAME, None)]


def test_a_draft_that_somebody_writes_is_left_alone(tmp_path):
    draft = tmp_path / f".{NAME}.0123abcd.part"
    draft.write_bytes(CONTENT[:1000])
    mirror = good()
    with serving(mirror) as urls:
        fetch("MNIST", REMOTE, urls, tmp_path)
    assert mirror.asked == [(NAME, None)]
    assert drafts(tmp_path) == [draft]


def test_a_damaged_file_in_place_is_replaced(tmp_path):
    (tmp_path / NAME).write_bytes(CONTENT[:-1] + b"X")
    with serving(good()) as urls:
        assert fetch("MNIST", REMOTE, urls, tmp_path).read_bytes() == CONTENT


def test_the_second_mirror_is_used(tmp_path):
    missing, broken, last = Mirror({}), good(status=503), good()
    with serving(missing, broken, last) as urls:
        assert fetch("MNIST", REMOTE, urls, tmp_path).read_bytes() == CONTENT
    assert (len(missing.asked), len(broken.asked), len(last.asked)) == (1, 1, 1)


def test_every_mirror_is_named_with_its_reason(tmp_path):
    with serving(Mirror({}), good(status=503), good(cuts={NAME: [0]})) as urls:
        closed = "http://127.0.0.1:9/"
        with pytest.raises(DatasetError) as caught:
            fetch("MNIST", REMOTE, [*urls, closed, "nonsense"], tmp_path)
    said = str(caught.value)
    assert said.startswith(f"MNIST: expected one of 5 mirrors to have {NAME}, got ")
    assert f"{urls[0]}{NAME}: HTTP 404" in said
    assert f"{urls[1]}{NAME}: HTTP 503" in said
    assert f"{urls[2]}{NAME}: 0 of {len(CONTENT)} bytes" in said
    assert f"{closed}{NAME}: " in said
    assert "refused" in said
    assert f"nonsense{NAME}: unknown url type" in said
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_range_is_refused(tmp_path):
    mirror = good(cuts={NAME: [70_000]}, shift=5)
    with (
        serving(mirror) as urls,
        pytest.raises(DatasetError, match="another range than the one from 70000"),
    ):
        fetch("MNIST", REMOTE, urls, tmp_path)


def test_no_more_is_read_than_the_file_has(tmp_path):
    with serving(Mirror({NAME: CONTENT + b"more" * 100_000})) as urls:
        assert fetch("MNIST", REMOTE, urls, tmp_path).read_bytes() == CONTENT


def test_a_mirror_that_keeps_cutting_is_given_up(tmp_path):
    mirror = good(cuts={NAME: [10] * 100})
    with serving(mirror) as urls, pytest.raises(DatasetError, match="50 of"):
        fetch("MNIST", REMOTE, urls, tmp_path)
    assert len(mirror.asked) == 5


def test_a_silent_mirror_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_TIMEOUT", 0.2)

    class Silent(Mirror):
        def answer(self, request):
            time.sleep(1)

    with serving(Silent({}), good()) as urls:
        assert fetch("MNIST", REMOTE, urls, tmp_path).read_bytes() == CONTENT


def test_a_folder_that_cannot_be_written_is_an_os_error(tmp_path):
    (tmp_path / "file").write_text("")
    with serving(good()) as urls, pytest.raises(OSError, match="file"):
        fetch("MNIST", REMOTE, urls, tmp_path / "file" / "below")


def test_two_processes_at_once_both_get_it(tmp_path):
    slow = good(cuts={NAME: [1000] * 4})

    class Slow(Mirror):
        def answer(self, request):
            time.sleep(0.1)
            slow.answer(request)

    program = (
        "import sys; from pathlib import Path; from clnn.data.download import Remote, fetch\n"
        f"path = fetch('MNIST', Remote({NAME!r}, {REMOTE.size}, {REMOTE.sha256!r}), sys.argv[1:2], Path(sys.argv[2]))\n"
        "sys.stdout.write(path.name)"
    )
    source = str(Path(__file__).parents[2] / "src")
    with serving(Slow({})) as urls:
        running = [
            subprocess.Popen(
                [sys.executable, "-c", program, urls[0], str(tmp_path)],
                env={**os.environ, "PYTHONPATH": source}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
            for _ in range(2)
        ]  # fmt: skip
        said = [process.communicate(timeout=120) for process in running]
    assert said == [(NAME, "")] * 2
    assert only(tmp_path).read_bytes() == CONTENT
