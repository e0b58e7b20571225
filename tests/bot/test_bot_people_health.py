"""How things stand: /status for people, /health for everybody, details for operators."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from bot_world import EAT, EMERGENCY, PASSPORT, ManualClock, World, settings_for

from termin_bot.bot import Bot
from termin_bot.languages import use_language
from termin_bot.munich import Endpoint
from termin_bot.services.reporting import Delivery, DeliveryWatch, HealthReport
from termin_bot.texts_settings import ago, health, health_details

OPERATOR = 4711
CALENDAR: Endpoint = "available-calendar"


async def test_status_says_when_the_city_last_answered(world: World, bot: Bot) -> None:
    """Not yet; 40 seconds ago; and "blind since" when it does not answer any more."""
    anna = world.telegram.person()
    await world.say(anna, "/start")
    assert "do not watch" in await world.say(anna, "/status")
    await anna.press_data(f"s:{EAT}")
    await world.telegram.settled()
    assert "not checked yet" in await world.say(anna, "/status")
    await bot.watch_once()
    world.clock.pass_(seconds=40)
    assert "checked 40 s ago" in await world.say(anna, "/status")

    world.city.fail(CALENDAR, 503, "zmsClientCommunicationError", times=20)
    for _ in range(3):
        await bot.watch_once()
        world.clock.pass_(minutes=2)
    assert "blind since 12:00" in await world.say(anna, "/status")
    assert "blind since 12:00" in await world.say(anna, "/health")


async def test_status_is_about_ones_own_offices(world: World, bot: Bot) -> None:
    """Two people watch the same service elsewhere: the one whose question failed is not told that it was answered."""
    anna, ben = world.telegram.person(language_code="en"), world.telegram.person(language_code="en")
    for person, office in ((anna, 54261), (ben, 0)):
        await world.say(person, "/start")
        await person.press_data(f"o:{PASSPORT}:{office}")
        await world.telegram.settled()
    world.city.fail(CALENDAR, 400, "invalidOfficeId")
    await bot.watch_once()
    assert "not checked yet" in await world.say(anna, "/status")
    assert "checked 0 s ago" in await world.say(ben, "/status")
    assert "checked 0 s ago" in await world.say(ben, "/myservices")


async def test_what_nobody_may_ask_for_is_not_about_to_be_checked(world: World, tmp_path: Path) -> None:
    """An operator switches captchas off: who watched a guarded service reads that, and gets the city's page."""
    anna, ben = world.telegram.person(language_code="en"), world.telegram.person(language_code="de")
    async with world.bot():
        for each in (anna, ben):
            await world.say(each, "/start")
            await each.press_data(f"s:{EMERGENCY}")
            await world.telegram.settled()
    world.settings = settings_for(tmp_path, munich_captcha="link_only")
    async with world.bot() as bot:
        await bot.watch_once()
        assert "not checked: the city protects it against robots" in await world.say(anna, "/status")
        assert "not checked: the city protects it against robots" in await world.say(anna, "/myservices")
        assert f"#/services/{EMERGENCY}" in "".join(each.url or "" for each in anna.last.buttons)
        assert "nicht geprüft: Die Stadt schützt es gegen Roboter" in await world.say(ben, "/status")


@pytest.fixture
async def operated(world: World, tmp_path: Path) -> AsyncIterator[Bot]:
    """Run the bot for an operator."""
    world.settings = settings_for(tmp_path, admin_ids=(OPERATOR,))
    async with world.bot() as running:
        yield running


async def test_health_is_one_line_and_details_are_for_operators(world: World, operated: Bot) -> None:
    """What the bot stands on is nobody's business but the operator's."""
    anna, operator = world.telegram.person(), world.telegram.person(id=OPERATOR)
    for person in (anna, operator):
        await world.say(person, "/start")
    assert "have not had to ask" in await world.say(anna, "/health")
    await anna.press_data(f"s:{EAT}")
    await world.telegram.settled()
    await operated.watch_once()
    world.clock.pass_(minutes=3)

    assert await world.say(anna, "/health") == "I am well. The city last answered 3 min ago."
    told = (await world.say(operator, "/health")).splitlines()
    assert told[0] == "I am well. The city last answered 3 min ago."
    assert told[2:] == [
        "City: last answer 3 min ago",
        "Captcha: not needed yet",
        "Telegram: ok",
        "Database: ok",
        "Analytics: not sent from here",
    ]


def test_the_last_delivery_is_when_the_count_was_seen_to_grow() -> None:
    """The library counts what was delivered; the bot notices when."""
    clock = ManualClock(1000.0)
    books = {"delivered": 5}
    watch = DeliveryWatch(lambda: Delivery(waiting=1, delivered=books["delivered"], lost=0), clock)
    watch.look_now_and_then()
    assert watch.delivered_at is None, "what was delivered before the start may be old"
    books["delivered"] = 6
    clock.pass_(seconds=5)
    watch.look_now_and_then()
    assert watch.delivered_at is None, "it looks every 15 seconds only"
    clock.pass_(seconds=10)
    watch.look_now_and_then()
    assert watch.delivered_at == 1015.0
    assert DeliveryWatch(None, clock).look() is None


def test_trouble_is_not_talked_away() -> None:
    """One part that does not answer is enough not to be well."""
    report = HealthReport(
        now=1000.0,
        blind_since=None,
        city_at=900.0,
        captcha=None,
        telegram_ok=False,
        database_ok=True,
        delivery=Delivery(waiting=3, delivered=9, lost=2),
        delivered_at=990.0,
    )
    with use_language("en"):
        assert "not well" in health(report)
        details = health_details(report)
    assert "Telegram: no answer" in details
    assert "3 waiting, 9 delivered, 2 lost, last delivery 10 s ago" in details


@pytest.mark.parametrize(
    ("seconds", "said"), [(-1, "0 s ago"), (40, "40 s ago"), (119, "119 s ago"), (180, "3 min ago"), (9000, "2 h ago")]
)
def test_ages_are_short(seconds: float, said: str) -> None:
    """Seconds, minutes, hours."""
    assert ago(seconds) == said


async def test_health_knows_every_answer_of_the_city_and_the_captcha(world: World, operated: Bot) -> None:
    """The catalogue counts as well as a check; an answer that is none does not; a captcha says when it was."""
    operator = world.telegram.person(id=OPERATOR, language_code="en")
    await world.say(operator, "/start")
    await world.say(operator, "/subscribe")
    world.clock.pass_(seconds=50)
    assert "The city last answered 50 s ago" in await world.say(operator, "/health")
    await operator.press_data(f"s:{EMERGENCY}")
    await world.telegram.settled()
    await operated.watch_once()
    world.clock.pass_(minutes=4)
    assert "Captcha: ok, 4 min ago" in await world.say(operator, "/health")
    world.city.fail_with("captcha-challenge", "captcha_failure", times=None)
    world.clock.pass_(minutes=4)
    await operated.watch_once()
    world.clock.pass_(seconds=5)
    told = await world.say(operator, "/health")
    assert "Captcha: failed 1 times in a row, 5 s ago" in told
    assert "City: last answer 8 min ago" in told
