"""What people wish: pauses, quiet hours, days chosen on a calendar; all of it by buttons too."""

import re
from datetime import date

import pytest
from bot_world import EAT, EAT_OFFICE, FRIDAY_TEN, LICENCE, World

from termin_bot.bot import Bot
from termin_bot.services.dates import read_range


async def test_a_paused_person_hears_nothing_until_they_resume(world: World, bot: Bot) -> None:
    """/pause and /resume are for everything; nothing is asked of the city meanwhile."""
    anna = world.telegram.person()
    await world.say(anna, "/start")
    assert "do not watch" in await world.say(anna, "/pause")
    assert "do not watch" in await world.say(anna, "/resume")
    await anna.press_data(f"s:{EAT}")
    await world.telegram.settled()

    assert "say nothing" in await world.say(anna, "/pause")
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    await bot.watch_once()
    assert not world.spans("check cycle")
    assert "paused" in await world.say(anna, "/status")
    assert "watching again" in await world.press(anna, "Resume")
    await bot.watch_once()
    assert anna.last.text.startswith("Free now")

    failures = [each.properties.get("failure_reason") for each in world.events("command_executed")]
    assert failures == [None, "no_subscriptions", "no_subscriptions", None, None, None]


@pytest.mark.usefixtures("bot")
async def test_one_service_can_rest_alone(world: World) -> None:
    """/myservices shows what is paused, and pauses or resumes one."""
    anna = world.telegram.person()
    await world.say(anna, "/start")
    for service_id in (EAT, LICENCE):
        await anna.press_data(f"s:{service_id}")
        await world.telegram.settled()
    await world.say(anna, "/myservices")

    text = await world.press(anna, "Pause Abholung")
    assert re.search(r"Abholung.*\n.*\n\s+paused\n.*Umschreibung", text)
    assert "paused" not in await world.press(anna, "Resume Abholung")
    await anna.press_data("mp:999")
    await world.telegram.settled()
    assert "out of date" in anna.notices[-1].text


async def test_quiet_hours_are_set_shown_and_kept(world: World, bot: Bot) -> None:
    """By typing or pressing; what becomes free in them is told after them."""
    anna = world.telegram.person()
    await world.say(anna, "/start")
    await anna.press_data(f"s:{EAT}")
    await world.telegram.settled()

    assert "no quiet hours" in await world.say(anna, "/quiet")
    assert "22:00 to 07:00" in await world.press(anna, "22:00 to 07:00")
    assert "22:00 to 07:00" in await world.say(anna, "/quiet")
    assert "No quiet hours" in await world.press(anna, "No quiet hours")
    assert "11:00 to 13:00" in await world.say(anna, "/quiet 11 – 13 Uhr")  # noqa: RUF001  as phones type it
    for wrong in ("/quiet 25-7", "/quiet 7-7", "/quiet canary", "/quiet 0-24"):
        assert "write two hours" in await world.say(anna, wrong)
    assert world.events("command_executed")[-1].properties["failure_reason"] == "invalid_input"

    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    await bot.watch_once()
    assert not world.events("notification_sent")
    world.clock.pass_(minutes=61)
    await bot.watch_once()
    assert anna.last.text.startswith("Free now")
    assert "No quiet hours" in await world.say(anna, "/quiet aus")


@pytest.mark.usefixtures("bot")
async def test_days_are_chosen_on_a_calendar_whose_buttons_hold_no_date(world: World) -> None:
    """Two presses make a range; an earlier second day begins anew; months can be turned."""
    anna = world.telegram.person()
    await world.say(anna, "/start")
    await anna.press_data(f"s:{EAT}")
    await world.telegram.settled()
    world.clock.pass_(days=2)
    await world.say(anna, "/setdates")

    assert "November 2026" in await world.press(anna, "Calendar")
    assert not [each for each in anna.last.buttons if each.label in ("23", "24")], "the past cannot be chosen"
    assert "December 2026" in await world.press(anna, "More »")
    assert "From Thu 10.12.2026" in await world.press(anna, "10")
    assert "From Tue 01.12.2026" in await world.press(anna, "1")
    shown = [each.data or "" for each in anna.last.buttons]
    assert await world.press(anna, "15") == "All right: Tue 01.12.2026 to Tue 15.12.2026."

    assert not [each for each in shown if re.search(r"2026|\d{5,}", each)]
    assert world.only("date_range_set").properties == {"range_days": 15, "range_direction": "set"}


@pytest.mark.usefixtures("bot")
async def test_an_old_calendar_means_the_same_days_or_says_that_it_is_old(world: World) -> None:
    """A button that was sent days ago never means another day."""
    anna = world.telegram.person()
    await world.say(anna, "/start")
    await anna.press_data(f"s:{EAT}")
    await world.telegram.settled()
    await world.say(anna, "/setdates")
    await world.press(anna, "Calendar")
    old = anna.last
    data = {each.label: each.data for each in old.buttons}
    world.clock.pass_(days=3)
    for label in ("23", "28"):
        pressed = data[label]
        assert pressed is not None
        await anna.press_data(pressed, old)
        await world.telegram.settled()

    assert "out of date" in anna.notices[0].text
    assert "From Sat 28.11.2026" in anna.last.text
    for wrong in ("dd:0:999", "dd:77:30", "dc:77:0", "dc:0:999"):
        await anna.press_data(wrong)
        await world.telegram.settled()
    assert "November 2027" in anna.last.text, "the last month there is"


@pytest.mark.usefixtures("bot")
async def test_every_command_can_be_reached_by_buttons(world: World) -> None:
    """/help has a button for each; none needs typing."""
    anna = world.telegram.person()
    await world.say(anna, "/start")
    await world.say(anna, "/help")
    keys = {each.data for each in anna.last.buttons}
    names = {str(each).removeprefix("g:") for each in keys}
    assert names >= {
        "subscribe",
        "myservices",
        "setdates",
        "status",
        "pause",
        "resume",
        "quiet",
        "language",
        "appointments",
        "health",
        "privacy",
        "export",
        "cancel",
        "stop",
    }
    for data in sorted(str(each) for each in keys):
        await anna.press_data(data)
        await world.telegram.settled()
    ran = {each.properties["command_name"] for each in world.events("command_executed")}
    assert {f"/{name}" for name in names} <= ran
    assert not [each for each in world.events("command_executed") if each.properties.get("failure_reason") == "error"]


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("24.11.2026-15.12.2026", "2026-11-24", "2026-12-15"),
        ("24.11.2026–15.12.2026", "2026-11-24", "2026-12-15"),  # noqa: RUF001  as phones type it
        (" 24. 11. 2026 bis 15. 12. 2026 ", "2026-11-24", "2026-12-15"),
        ("24.11.26-1.2.27", "2026-11-24", "2027-02-01"),
        ("24.11.-15.12.", "2026-11-24", "2026-12-15"),
        ("24.11-15.12", "2026-11-24", "2026-12-15"),
        ("15.12. - 10.1.", "2026-12-15", "2027-01-10"),
        ("1.2.-3.2.", "2027-02-01", "2027-02-03"),
        ("15.12.-10.01.2027", "2026-12-15", "2027-01-10"),
        ("24.11.-15.12.2026", "2026-11-24", "2026-12-15"),
    ],
)
def test_dates_are_read_as_people_type_them(text: str, first: str, last: str) -> None:
    """Years may be short or left out; then the next such day is meant."""
    assert read_range(text, date(2026, 11, 23)) == (date.fromisoformat(first), date.fromisoformat(last))


@pytest.mark.parametrize(
    "text", ["", "24.11.2026", "31.11.-1.12.", "30.2.27-1.3.27", "24/11-15/12", "1.1.1-2.2.2", "x" * 4096]
)
def test_what_is_no_range_is_none(text: str) -> None:
    """Days that do not exist, and everything else."""
    assert read_range(text, date(2026, 11, 23)) is None
