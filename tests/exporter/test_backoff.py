"""How long the sender waits after failures."""

import pytest

from otel_umami_exporter.backoff import Backoff


def test_each_failure_in_a_row_doubles_the_delay_up_to_the_cap() -> None:
    """From one second on, to a minute."""
    delays = [Backoff().delay(failures, 1.0) for failures in range(1, 10)]

    assert delays == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]


@pytest.mark.parametrize(("chance", "delay"), [(0.0, 4.0), (0.5, 6.0), (1.0, 8.0)])
def test_chance_spreads_the_delay_over_its_upper_half(chance: float, delay: float) -> None:
    """Many exporters do not return together, and none returns at once."""
    assert Backoff().delay(4, chance) == delay


def test_a_first_delay_beyond_the_cap_is_the_cap() -> None:
    """The cap always rules."""
    assert Backoff(first_seconds=10.0, cap_seconds=5.0).delay(1, 1.0) == 5.0


@pytest.mark.parametrize("failures", [33, 1_024, 10**9, 10**400])
def test_an_outage_of_any_length_ends_in_the_cap(failures: int) -> None:
    """A power that grows without end would overflow after a weekend."""
    assert Backoff().delay(failures, 1.0) == 60.0


@pytest.mark.parametrize("failures", [0, -1])
def test_no_failure_waits_like_one(failures: int) -> None:
    """A caller that counts from zero gets a delay, not none."""
    assert Backoff().delay(failures, 1.0) == 1.0
