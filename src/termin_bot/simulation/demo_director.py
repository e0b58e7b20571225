"""The director, with the script: opens acts, releases appointments, has the bot check, breaks and mends the city."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from datetime import datetime, time, timedelta
from time import time as epoch_seconds
from typing import TYPE_CHECKING, Final

from termin_bot.events import AppointmentCheckBatch
from termin_bot.munich import BERLIN

from .citizens import Citizen, StoryError
from .demo_stage import Act, Stage

if TYPE_CHECKING:
    from termin_bot.bot import Bot

    from .citizens_cast import Part
    from .city import SimulatedCity
    from .demo_screen import Screen
    from .demo_watch import Watch
    from .telegram import SimulatedTelegram

ALERT_AFTER_CYCLES: Final = 2
ACT_SECONDS: Final = 600.0
"""How long an act may last before the run has failed; it never decides what is counted."""
_MORNING: Final = time(8, 30)
_AFTERNOON: Final = time(13, 30)
_SLOTS: Final = 8
_SLOT_MINUTES: Final = 10
_DAYS_AHEAD: Final = 2


class Director:
    """Leads one performance."""

    def __init__(
        self,
        *,
        bot: "Bot",
        telegram: "SimulatedTelegram",
        city: "SimulatedCity",
        watch: "Watch",
        screen: "Screen",
        parts: "Sequence[Part]",
    ) -> None:
        self._bot = bot
        self._telegram = telegram
        self._city = city
        self._watch = watch
        self._screen = screen
        self._parts = parts
        self._stage = Stage()

    async def direct(self) -> None:
        """
        Play everything, once.

        Raises:
            StoryError: something did not go as written; the message says what, and names nobody.
        """
        for part in self._parts:
            self._stage.join(part.number)
        try:
            async with asyncio.TaskGroup() as group:
                for part in self._parts:
                    group.create_task(self._live(part), name=f"citizen {part.number}")
                await self._script()
        except* Exception as failures:  # noqa: BLE001  whatever it was, it is one line, and the run has failed
            raise StoryError(_first(failures)) from None

    async def _script(self) -> None:
        self._screen.scene("the bot starts, and cleans up after those who left long ago")
        await self._watch.until(lambda: self._watch.events[AppointmentCheckBatch.name] > 0, ACT_SECONDS)
        await self._play(Act.ARRIVING, "citizens arrive, choose services and dates")
        await self._check("the bot checks: nothing is free")
        await self._play(Act.LEAVING, "one blocks the bot, one deletes the account, one comes back after weeks")
        self._release(_MORNING)
        self._lose_messages()
        await self._check("the city releases appointments, and the bot tells who waits")
        await self._play(Act.BOOKING, "citizens book, cancel, and let a booking expire")
        await self._break_the_city()
        await self._check("the city answers again, and the bot reminds the forgetful")
        await self._play(Act.RETURNING, "the one who blocked the bot lets it in again")
        self._release(_AFTERNOON)
        await self._check("more appointments")
        await self._play(Act.SECOND_CHANCE, "those who missed the first appointments book now")
        await self._play(Act.PARTING, "some have everything deleted")

    async def _play(self, act: Act, title: str) -> None:
        self._screen.scene(title)
        await self._stage.play(act, ACT_SECONDS)
        await self._watch.idle(ACT_SECONDS)

    async def _check(self, title: str) -> None:
        self._screen.scene(title)
        await self._bot.watch_once()

    async def _break_the_city(self) -> None:
        self._screen.scene("the city's calendar answers nonsense, until the bot raises an alert")
        with self._watch.expecting_trouble():
            self._city.fail_with("available-calendar", "html", times=None)
            for _ in range(ALERT_AFTER_CYCLES):
                await self._bot.watch_once()
            self._city.recover()

    def _release(self, first: time) -> None:
        day = datetime.now(BERLIN).date() + timedelta(days=_DAYS_AHEAD)
        begin = datetime.combine(day, first, BERLIN)
        starts = [int((begin + timedelta(minutes=_SLOT_MINUTES * each)).timestamp()) for each in range(_SLOTS)]
        for service_id, office_id in self._places():
            self._city.release(service_id, office_id, starts)

    def _places(self) -> Iterator[tuple[int, int]]:
        yield from dict.fromkeys((each.place.service_id, each.place.office_id) for each in self._parts)

    def _lose_messages(self) -> None:
        for part in self._parts:
            if part.story.loses_a_message:
                chat_id = part.identity.telegram_id
                self._telegram.fail("sendMessage", 500, "Internal Server Error", chat_id=chat_id)

    async def _run_out(self, telegram_id: int) -> None:
        """
        Let the time pass that somebody's booking may take: the next sweep finds that it is over.

        Its deadline comes to the booking, instead of the other way round. To wait for a short one would be to hope
        that nobody else needs as long, on any machine.
        """
        async with self._bot.database.work() as work:
            person = await work.people.by_telegram_id(telegram_id)
            booking = None if person is None else await work.bookings.of(person.id)
            if booking is None:
                raise StoryError("a booking that is to run out is none")
            booking.deadline = epoch_seconds()
            await work.commit()

    async def _live(self, part: "Part") -> None:
        person = self._telegram.person(part.identity.telegram_id, part.identity.first_name, part.identity.username)
        if part.story.began_long_ago:
            await person.meet()
        citizen = Citizen(
            number=part.number,
            identity=part.identity,
            person=person,
            place=part.place,
            city=self._city,
            watch=self._watch,
            run_out=self._run_out,
            chance=random.Random(part.seed),  # noqa: S311  a play, no secret
        )
        try:
            await part.story.tell(citizen, self._stage)
        except StoryError as error:
            raise StoryError(f"{error} (who {part.story.name})") from None
        self._stage.leave(part.number)


def _first(failures: BaseExceptionGroup[BaseException]) -> str:
    first: BaseException = failures
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    if isinstance(first, StoryError):
        return str(first)
    place = first.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = "" if place is None else f" in {place.tb_frame.f_code.co_qualname}"
    return f"{type(first).__name__}{where}"
