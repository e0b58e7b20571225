"""The simulated citizens: who they are, and what they do with their phones."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from termin_bot import buttons, callback_data

if TYPE_CHECKING:
    from .city import SimulatedCity
    from .demo_watch import Watch
    from .telegram import Button, ChatMessage, Notice, Person

PATIENCE_SECONDS: Final = 120.0
"""How long a citizen waits for an answer before the story has failed; it never decides what is counted."""
_FIRST_TELEGRAM_ID: Final = 8_100_000_001
_FIRST_NAMES: Final = ("Amina", "Ben", "Chiara", "Deniz", "Elif", "Farid", "Greta", "Hannes", "Ines", "Jonas")
_LAST_NAMES: Final = ("Albrecht", "Brandl", "Costa", "Demir", "Eder", "Fischer", "Gruber", "Huber", "Ivanova", "Jovic")
_CHATTER: Final = ("hallo?", "when is my turn", "danke!", "is anybody there", "42", "need passport quick")

Seen = TypeVar("Seen")
Wish = type[buttons.Button] | Callable[[buttons.Button], bool]
"""A kind of button, or a question to a button."""


class StoryError(Exception):
    """A citizen's story did not go as written; the message names the citizen's number, never the citizen."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a citizen is called and would type. All of it is the citizen's own business."""

    telegram_id: int = field(repr=False)
    first_name: str = field(repr=False)
    username: str | None = field(repr=False)
    full_name: str = field(repr=False)
    email: str = field(repr=False)
    plus_address: str = field(repr=False)
    telephone: str = field(repr=False)
    file_number: str = field(repr=False)
    chatter: tuple[str, ...] = field(repr=False)

    def secrets(self) -> tuple[str, ...]:
        """Return everything that may reach the city at most."""
        named = (self.first_name, self.full_name, self.email, self.plus_address, self.telephone, self.file_number)
        return (str(self.telegram_id), *named, *self.chatter, *([self.username] if self.username else []))


def invent(number: int, chance: random.Random) -> Identity:
    """Return the citizen of that *number* (from 0): names may repeat, addresses never do."""
    first, last = chance.choice(_FIRST_NAMES), chance.choice(_LAST_NAMES)
    mailbox = f"{first}.{last}.{number}".lower()
    return Identity(
        telegram_id=_FIRST_TELEGRAM_ID + number,
        first_name=first,
        username=None if number % 3 == 1 else f"{first.lower()}_{number}",
        full_name=f"{first} {last}",
        email=f"{mailbox}@example.org",
        plus_address=f"{mailbox}+termin@example.org",
        telephone=f"+49 89 233-{chance.randint(10_000, 99_999)}",
        file_number=f"AZ-{chance.randint(1_000, 9_999)}/{number}",
        chatter=_CHATTER,
    )


@dataclass(frozen=True)
class Place:
    """
    What a citizen wants: a service at an office, and which of the offered appointments.

    No two citizens have the same place, so they never compete for an appointment.
    """

    service_id: int
    office_id: int
    rank: int = 0


class Citizen:
    """One citizen at the phone: does something, and waits for what the bot says to it."""

    def __init__(
        self,
        *,
        number: int,
        identity: Identity,
        person: "Person",
        place: Place,
        city: "SimulatedCity",
        watch: "Watch",
        run_out: Callable[[int], Awaitable[None]],
        chance: random.Random,
    ) -> None:
        self.number = number
        self.identity = identity
        self.person = person
        self.place = place
        self.chance = chance
        self._city = city
        self._watch = watch
        self._run_out = run_out

    def __repr__(self) -> str:
        return f"Citizen({self.number})"

    @property
    def scope(self) -> dict[str, object]:
        """The rules of the citizen's office, as the city's own page shows them."""
        offices: dict[int, dict[str, object]] = {
            office["id"]: office["scope"] for office in self._city.catalogue["offices"]
        }
        return offices[self.place.office_id]

    async def say(self, text: str) -> "ChatMessage":
        """Write to the bot, and return its answer."""
        self._watch.update_sent()
        await self.person.send(text)
        return await self._answer("an answer to a command" if text.startswith("/") else "an answer to a message")

    async def press(self, wish: Wish, rank: int = 0) -> "ChatMessage":
        """
        Press the button that fits (with *rank*, the one so many further), and return what the bot shows then.

        What the bot says in between, about an appointment for example, may come before the screen that has it.
        """
        message, data = await self._within(self._find(wish, rank), "the button to press")
        self._watch.update_sent()
        press = await self.person.press_data(data, message)
        await self._within(press.answered(PATIENCE_SECONDS), "an answer to a press")
        return await self._answer("an answer to a press")

    async def press_stale(self, data: str) -> "Notice":
        """Press what an old screen still shows, and return the line that the bot shows then."""
        self._watch.update_sent()
        press = await self.person.press_data(data)
        return await self._within(press.answered(PATIENCE_SECONDS), "an answer to a stale press")

    def sees(self, wish: Wish) -> bool:
        """Whether a button that fits is on the screen."""
        return any(_fits(each, wish) for message in self.person.inbox for each in message.buttons)

    async def block(self) -> None:
        """Block the bot; Telegram tells it."""
        self._watch.update_sent()
        await self.person.block()

    async def unblock(self) -> None:
        """Let the bot in again; Telegram tells it."""
        self._watch.update_sent()
        await self.person.unblock()

    async def wait_for_news(self, after: "ChatMessage") -> "ChatMessage":
        """Return a message that came after *after*, as soon as there is one."""
        found = self.person.wait_for(lambda message: message.id > after.id, PATIENCE_SECONDS)
        return await self._within(found, "news")

    async def forget_the_booking(self) -> "ChatMessage":
        """Put the phone away until the booking has run out, and return what the bot says to that."""
        last = self.person.last
        await self._run_out(self.identity.telegram_id)
        return await self.wait_for_news(last)

    def open_mail(self) -> None:
        """Open the link in the newest mail of the city."""
        mail = next((each for each in reversed(self._city.outbox) if each.to == self.identity.email), None)
        if mail is None or mail.kind != "activation":
            raise StoryError(f"citizen {self.number} got no mail from the city")
        self._city.activate(mail.process_id)

    async def _answer(self, to_what: str) -> "ChatMessage":
        return await self._within(self.person.answer(timeout=PATIENCE_SECONDS), to_what)

    async def _within(self, answer: Awaitable[Seen], to_what: str) -> Seen:
        try:
            return await answer
        except TimeoutError:  # its text shows the screen, and that is the citizen's own business
            raise StoryError(f"citizen {self.number} waited in vain for {to_what}") from None

    async def _find(self, wish: Wish, rank: int) -> tuple["ChatMessage", str]:
        await self.person.until(lambda: self._look(wish, rank) is not None, PATIENCE_SECONDS)
        found = self._look(wish, rank)
        assert found is not None
        return found

    def _look(self, wish: Wish, rank: int) -> tuple["ChatMessage", str] | None:
        for message in reversed(self.person.inbox):
            fitting = [each.data for each in message.buttons if each.data is not None and _fits(each, wish)]
            if fitting:
                return (message, fitting[rank]) if rank < len(fitting) else None
        return None


def _fits(shown: "Button", wish: Wish) -> bool:
    meant = None if shown.data is None else callback_data.parse(shown.data)
    if meant is None:
        return False
    return isinstance(meant, wish) if isinstance(wish, type) else wish(meant)
