"""
What the citizens live through, one function for each story.

A story waits for its acts and for the bot's answers, and for nothing else. Its choices come from the citizen's own
chance, so that the same seed tells the same story.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from termin_bot.buttons import (
    DatesPreset,
    DatesTarget,
    Menu,
    PickOffice,
    PickService,
    RemoveSubscription,
    ServicePage,
    StopConfirm,
    StopKeep,
)
from termin_bot.buttons_booking import (
    Book,
    CancelBooking,
    ConfirmBooking,
    PickTime,
    SkipQuestion,
)
from termin_bot.callback_data import encode
from termin_bot.munich import BERLIN

from .citizens import Citizen, Place
from .demo_stage import Act, Stage

CAPTCHA: Final = Place(10339028, 10461)
TELEPHONE: Final = Place(1071896, 10308174)
FILE_NUMBER: Final = Place(1071907, 10471)
NO_SUCH_SLOT: Final = 999_999_999
_GARBAGE: Final = "what:is:this"

Tale = Callable[[Citizen, Stage], Awaitable[None]]


@dataclass(frozen=True)
class Story:
    """A story, with the place it needs (None: any), and whether it began before this run."""

    name: str
    tell: Tale
    place: Place | None = None
    began_long_ago: bool = False
    loses_a_message: bool = False
    """Whether Telegram fails to take the first notification to this citizen."""


# -- what many stories share


async def greet(citizen: Citizen) -> None:
    """Send the first /start, and look around a little."""
    await citizen.say("/start")
    await look_around(citizen)


async def look_around(citizen: Citizen) -> None:
    """Ask for help or for one's services, some times or never."""
    for _ in range(citizen.chance.randint(0, 3)):
        await citizen.say(citizen.chance.choice(("/help", "/myservices")))


async def subscribe(citizen: Citizen, place: Place | None = None) -> None:
    """Choose the service from the list, by command or from the menu, and the office."""
    if citizen.sees(lambda button: button == Menu("subscribe")) and citizen.chance.random() < 0.5:  # noqa: PLR2004  a coin
        await citizen.press(lambda button: button == Menu("subscribe"))
    else:
        await citizen.say("/subscribe")
    await pick(citizen, place or citizen.place)


async def subscribe_by_deep_link(citizen: Citizen) -> None:
    """Come from a link on a web page that names the service."""
    await citizen.say(f"/start svc_{citizen.place.service_id}")
    await pick(citizen, citizen.place)


async def pick(citizen: Citizen, place: Place) -> None:
    """Press the service, on whichever page it is, and the office where there are several."""
    service, office = PickService(place.service_id), PickOffice(place.service_id, place.office_id)
    while not citizen.sees(lambda button: button == service):
        await citizen.press(ServicePage)
    await citizen.press(lambda button: button == service)
    if citizen.sees(lambda button: button == office):
        await citizen.press(lambda button: button == office)


async def set_dates(citizen: Citizen) -> None:
    """Say which days suit: by a button, or typed; all of them hold the days that the director fills."""
    await citizen.say("/setdates")
    if citizen.sees(DatesTarget):
        await citizen.press(DatesTarget)
    if citizen.chance.random() < 0.5:  # noqa: PLR2004  a coin
        preset = citizen.chance.choice(("14", "28", "90", "any"))
        await citizen.press(lambda button: isinstance(button, DatesPreset) and button.preset == preset)
    else:
        first = datetime.now(BERLIN).date()
        last = first + timedelta(days=citizen.chance.randint(10, 60))
        await citizen.say(f"{first:%d.%m.%Y}-{last:%d.%m.%Y}")


async def choose_time(citizen: Citizen) -> None:
    """Press Book in the notification, and reserve that time."""
    await citizen.press(Book, citizen.place.rank)
    await citizen.press(PickTime)


async def book(citizen: Citizen, stage: Stage, *, with_plus_address: bool = False) -> None:
    """Book to the end, and open the link in the city's mail."""
    async with stage.desks:
        await choose_time(citizen)
        await citizen.say(citizen.identity.full_name)
        if with_plus_address:
            await citizen.say(citizen.identity.plus_address)
        await citizen.say(citizen.identity.email)
        if citizen.scope["telephoneActivated"]:
            await citizen.say(citizen.identity.telephone)
        if citizen.scope["customTextfieldActivated"]:
            if citizen.scope["customTextfieldRequired"] or citizen.chance.random() < 0.5:  # noqa: PLR2004  a coin
                await citizen.say(citizen.identity.file_number)
            else:
                await citizen.press(SkipQuestion)
        await citizen.press(ConfirmBooking)
        citizen.open_mail()


# -- the stories


async def comes_back(citizen: Citizen, stage: Stage) -> None:
    """Return after weeks: the old subscription is out of date, and a new one leads to an appointment."""
    await stage.enter(citizen.number, Act.LEAVING)
    await greet(citizen)
    await subscribe(citizen)
    await stage.enter(citizen.number, Act.BOOKING)
    await book(citizen, stage)


async def comes_by_link(citizen: Citizen, stage: Stage) -> None:
    """Come by a deep link, look around, and book."""
    await stage.enter(citizen.number, Act.ARRIVING)
    await subscribe_by_deep_link(citizen)
    await look_around(citizen)
    await stage.enter(citizen.number, Act.BOOKING)
    await book(citizen, stage)


async def types_a_plus_address(citizen: Citizen, stage: Stage) -> None:
    """Set dates, and give an address that the city refuses before one that it takes."""
    await stage.enter(citizen.number, Act.ARRIVING)
    await greet(citizen)
    await subscribe(citizen)
    await set_dates(citizen)
    await stage.enter(citizen.number, Act.BOOKING)
    await book(citizen, stage, with_plus_address=True)


async def books_and_leaves(citizen: Citizen, stage: Stage) -> None:
    """Book, and have everything deleted afterwards."""
    await stage.enter(citizen.number, Act.ARRIVING)
    await greet(citizen)
    await subscribe(citizen)
    await citizen.say(citizen.chance.choice(citizen.identity.chatter))
    await stage.enter(citizen.number, Act.BOOKING)
    await book(citizen, stage)
    await stage.enter(citizen.number, Act.PARTING)
    await citizen.say("/stop")
    await citizen.press(StopConfirm)


async def cancels_half_way(citizen: Citizen, stage: Stage) -> None:
    """Begin a booking, change the mind at some step, and book the next time."""
    await stage.enter(citizen.number, Act.ARRIVING)
    await greet(citizen)
    await subscribe(citizen)
    await set_dates(citizen)
    await stage.enter(citizen.number, Act.BOOKING)
    async with stage.desks:
        await choose_time(citizen)
        typed = (citizen.identity.full_name, citizen.identity.email)
        for text in typed[: citizen.chance.randint(0, 2)]:
            await citizen.say(text)
        if citizen.chance.random() < 0.5:  # noqa: PLR2004  a coin
            await citizen.press(CancelBooking)
        else:
            await citizen.say("/cancel")
    await stage.enter(citizen.number, Act.SECOND_CHANCE)
    await book(citizen, stage)


async def lets_it_expire(citizen: Citizen, stage: Stage) -> None:
    """Begin a booking, and put the phone away."""
    await stage.enter(citizen.number, Act.ARRIVING)
    await greet(citizen)
    await subscribe(citizen)
    await stage.enter(citizen.number, Act.BOOKING)
    async with stage.desks:
        await citizen.press(Book, citizen.place.rank)
        if citizen.chance.random() < 0.7:  # noqa: PLR2004  most people get further than the times
            await citizen.press(PickTime)
            if citizen.chance.random() < 0.5:  # noqa: PLR2004  a coin
                await citizen.say(citizen.identity.full_name)
    await citizen.forget_the_booking()


async def blocks_and_returns(citizen: Citizen, stage: Stage) -> None:
    """Block the bot before there is anything to tell, think better of it, and book."""
    await stage.enter(citizen.number, Act.ARRIVING)
    await greet(citizen)
    await subscribe(citizen)
    await stage.enter(citizen.number, Act.LEAVING)
    await citizen.block()
    await stage.enter(citizen.number, Act.RETURNING)
    await citizen.unblock()
    await look_around(citizen)
    await stage.enter(citizen.number, Act.SECOND_CHANCE)
    await book(citizen, stage)


async def leaves_for_good(citizen: Citizen, stage: Stage) -> None:
    """Delete the account; the bot finds out when it has something to tell."""
    await stage.enter(citizen.number, Act.ARRIVING)
    await greet(citizen)
    await subscribe(citizen)
    await stage.enter(citizen.number, Act.LEAVING)
    await citizen.person.deactivate()


async def changes_the_mind(citizen: Citizen, stage: Stage) -> None:
    """Watch two services, drop one of them, and stop in the end."""
    await stage.enter(citizen.number, Act.ARRIVING)
    await greet(citizen)
    await subscribe(citizen)
    await subscribe(citizen, TELEPHONE if citizen.place.service_id != TELEPHONE.service_id else FILE_NUMBER)
    await set_dates(citizen)
    await citizen.say("/myservices")
    await citizen.press(RemoveSubscription, 1)
    await stage.enter(citizen.number, Act.PARTING)
    await citizen.say("/stop")
    await citizen.press(StopConfirm)


async def fiddles(citizen: Citizen, stage: Stage) -> None:
    """Type and press what makes no sense, subscribe, and then forget about it."""
    await stage.enter(citizen.number, Act.ARRIVING)
    await citizen.say(citizen.chance.choice(citizen.identity.chatter))
    await greet(citizen)
    await citizen.say("/timetravel")
    await citizen.say("/cancel")
    for _ in range(citizen.chance.randint(1, 3)):
        await citizen.say(citizen.chance.choice(citizen.identity.chatter))
    await citizen.press_stale(_GARBAGE)
    await citizen.press_stale(encode(Book(NO_SUCH_SLOT)))
    await citizen.press_stale(encode(RemoveSubscription(NO_SUCH_SLOT)))
    await citizen.say("/stop")
    await citizen.press(StopKeep)
    await subscribe(citizen)


STORIES: Final = (
    Story("comes back after weeks", comes_back, began_long_ago=True),
    Story("comes by a link and solves the captcha", comes_by_link, CAPTCHA),
    Story("lets a booking expire", lets_it_expire),
    Story("blocks the bot and returns", blocks_and_returns),
    Story("types a plus-address, and a telephone number", types_a_plus_address, TELEPHONE),
    Story("cancels half-way and tries again", cancels_half_way),
    Story("books and has everything deleted", books_and_leaves, FILE_NUMBER),
    Story("deletes the account", leaves_for_good),
    Story("changes the mind", changes_the_mind, loses_a_message=True),
    Story("fiddles", fiddles),
)
"""The first citizens play these in order; later ones choose by chance."""
