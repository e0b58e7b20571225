"""Telegram's limit, kept; and people who wait for an answer go before people who are told something."""

import asyncio
import random
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from manual_time import ManualTime
from telegram.error import RetryAfter

from termin_bot.pacing import Pace, Pacing
from termin_bot.services.notices import BookingExpired, DatesOver, SlotsBooked, SlotsGone, TimeRunningOut
from termin_bot.telegram_messenger import pace_of


@dataclass
class Line:
    """What left for Telegram when, and how long it had waited."""

    time: ManualTime
    pacing: Pacing
    left: list[tuple[float, Pace, object]] = field(default_factory=list)
    waits: dict[str, list[float]] = field(default_factory=lambda: {"answer": [], "notification": []})
    refuse: dict[object, list[float]] = field(default_factory=dict)
    """Chat to the seconds that its next calls are told to wait."""

    async def send(self, chat: object, pace: Pace | None = None) -> None:
        """Send one message."""
        came = self.time.clock()

        async def post() -> bool:
            if self.refuse.get(chat):
                raise RetryAfter(timedelta(seconds=self.refuse[chat].pop(0)))
            self.left.append((self.time.clock(), pace or "answer", chat))
            return True

        data: dict[str, Any] = {} if chat is None else {"chat_id": chat}
        await self.pacing.process_request(post, (), {}, "sendMessage", data, pace)
        self.waits[pace or "answer"].append(self.time.clock() - came)

    async def at(self, seconds: float, chat: object, pace: Pace | None = None) -> None:
        """Send one message some time from now."""
        await self.time.sleep(seconds)
        await self.send(chat, pace)

    def most_in_a_second(self) -> int:
        """Return the largest number of messages in any second."""
        times = sorted(at for at, _, _ in self.left)
        return max(bisect_left(times, at + 1 - 1e-9) - number for number, at in enumerate(times))


@pytest.fixture(autouse=True)
def _timedeltas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PTB_TIMEDELTA", "true")


@pytest.fixture
def line() -> Line:
    time = ManualTime()
    return Line(time, Pacing(30, clock=time.clock, sleep=time.sleep))


async def play(line: Line, sending: Sequence[Any]) -> float:
    """Send everything, and return the seconds that it took."""
    began = line.time.clock()
    await line.time.run(asyncio.ensure_future(asyncio.gather(*sending)))
    return line.time.clock() - began


async def test_commands_overtake_ten_thousand_notifications(line: Line) -> None:
    """28 of them a second, 30 messages in all; a command meanwhile waits a second at most, and mostly not at all."""
    chance = random.Random(7)  # noqa: S311  the same moments every time
    people = [line.at(chance.uniform(0, 390), f"person {number}") for number in range(1500)]  # 4 a second
    told = [line.send(number, "notification") for number in range(10_000)]

    took = await play(line, [*told, *people])

    answers = sorted(line.waits["answer"])
    assert len(line.left) == 11_500
    assert line.most_in_a_second() <= 30
    assert answers[-1] <= 1.0
    assert answers[len(answers) * 95 // 100] < 0.1
    assert 383 <= took <= 405
    assert [chat for _, pace, chat in line.left if pace == "notification"] == list(range(10_000))


async def test_a_burst_of_commands_goes_first(line: Line) -> None:
    """30 people at once, in the middle of notifications: the last is served a second later, not minutes."""
    told = [line.send(number, "notification") for number in range(500)]
    burst = [line.at(5.0, f"person {number}") for number in range(30)]
    await play(line, [*told, *burst])
    assert max(line.waits["answer"]) <= 1.01
    assert line.most_in_a_second() <= 30


async def test_answers_alone_have_everything(line: Line) -> None:
    """What is free for notifications is not kept from people: 30 at once, then 30 a second, first come first served."""
    took = await play(line, [line.send(number) for number in range(300)])
    assert took == pytest.approx(9.0, abs=0.1)
    assert [chat for _, _, chat in line.left] == list(range(300))
    assert line.most_in_a_second() <= 30


async def test_too_many_for_one_chat_stops_that_chat_and_all_notifications(line: Line) -> None:
    """Telegram's 429 is obeyed where it was meant, and nobody else's answers wait for it."""
    line.refuse["loud"] = [5.0]
    told = [line.send(number, "notification") for number in range(60)]
    await play(line, [line.send("loud"), line.at(1.0, "other"), line.at(1.0, "loud"), *told])

    when = {chat: at - 1000.0 for at, _, chat in reversed(line.left) if isinstance(chat, str)}
    assert when["other"] == pytest.approx(1.0, abs=0.05)
    assert when["loud"] >= 5.1
    notified = [at - 1000.0 for at, pace, _ in line.left if pace == "notification"]
    assert [at for at in notified if 0.1 < at < 5.1] == []
    assert len(notified) == 60


async def test_after_three_refusals_the_caller_hears_it(line: Line) -> None:
    """The notification counts as refused, and the next cycle tries again."""
    line.refuse[5] = [1.0] * 3
    refused = asyncio.ensure_future(line.send(5, "notification"))
    with pytest.raises(RetryAfter):
        await line.time.run(refused)
    assert line.time.clock() == pytest.approx(1002.2, abs=0.1)


async def test_what_has_no_chat_is_not_counted(line: Line) -> None:
    """Answers to presses and the menu go at once, also while everything else is full."""
    await play(line, [*(line.send(number) for number in range(90)), *(line.send(None) for _ in range(50))])
    assert [at for at, _, chat in line.left if chat is None] == [1000.0] * 50


@pytest.mark.parametrize("per_second", [1, 2, 7.5, 300])
async def test_an_instance_keeps_its_part(per_second: float) -> None:
    """Whatever TELEGRAM_MESSAGES_PER_SECOND says is kept, by both kinds together."""
    time = ManualTime()
    line = Line(time, Pacing(per_second, clock=time.clock, sleep=time.sleep))
    told = [line.send(number, "notification") for number in range(40)]
    took = await play(line, [*told, *(line.send(f"person {number}") for number in range(10))])
    assert line.most_in_a_second() <= max(1, int(per_second))
    assert took >= 39 / (per_second * 14 / 15) - 1.0


def test_what_concerns_a_booking_is_an_answer() -> None:
    """Somebody holds an appointment and has two minutes left: that goes before who is only told of one."""
    running_out = TimeRunningOut(service_name="x", held_until=0.0, minutes=2)
    assert {pace_of(each) for each in (running_out, BookingExpired(service_name="x"))} == {"answer"}
    told = (SlotsGone(service_name="x", at=0.0), SlotsBooked(service_name="x"), DatesOver(service_name="x"))
    assert {pace_of(each) for each in told} == {"notification"}
