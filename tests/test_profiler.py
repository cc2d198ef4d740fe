"""clnn.profile tells which kernels ran, on every device."""

import numpy as np
import pytest

import clnn


@pytest.fixture
def work(device):
    x = clnn.tensor(np.ones((40, 30), np.float32), device=device)

    def run():
        return ((x + 1) @ x.T).sum()

    run()  # kernels are compiled outside of what is measured
    return run


def test_every_launch_is_recorded(device, work):
    with clnn.profile(device) as found:
        work()
        work()
    totals = found.totals()
    assert sum(count for count, _ in totals.values()) == len(found.launches) >= 6
    assert all(count % 2 == 0 for count, _ in totals.values())
    assert all(seconds >= 0 for _, seconds in found.launches)
    assert any("matmul" in name for name in totals)
    assert sum(seconds for _, seconds in found.launches) <= found.seconds


def test_slowest_first_and_a_table(device, work):
    with clnn.profile(device) as found:
        work()
    seconds = [total for _, total in found.totals().values()]
    assert seconds == sorted(seconds, reverse=True)
    assert all(name[:80] in str(found) for name in found.totals())
    assert str(len(found.launches)) in str(found)


def test_nothing_is_recorded_outside_or_when_the_block_fails(device, work):
    def fail():
        with clnn.profile(device) as found:
            work()
            raise ZeroDivisionError(found)

    with pytest.raises(ZeroDivisionError) as caught:
        fail()
    work()
    assert len(caught.value.args[0].launches) == 0
    with clnn.profile(device) as empty:
        pass
    assert "in all" in str(empty)
    assert float(work().numpy()) == float(work().numpy())
