"""What an operator relies on while the city is odd, and what an SRE reads in the traces."""

import logging
import random
import re
from pathlib import Path

import pytest
from bot_world import EAT, EAT_OFFICE, EMERGENCY, EMERGENCY_OFFICE, EXCEPTION, FRIDAY_TEN, PASSPORT, World, settings_for
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.trace import SpanKind, StatusCode

from termin_bot.app import check_pause
from termin_bot.bot import Bot
from termin_bot.simulation.city import SimulatedCity
from termin_bot.simulation.telegram import Person

OPERATOR = 8_100_999_999


async def watcher(world: World, service_id: int = EAT) -> Person:
    """Return a person who watches a service at any office."""
    person = world.telegram.person(language_code="en")
    await world.say(person, "/start")
    await person.press_data(f"o:{service_id}:0")
    await world.telegram.settled()
    return person


async def cycles(world: World, bot: Bot, count: int) -> None:
    """Run check cycles, two minutes apart."""
    for _ in range(count):
        world.clock.pass_(minutes=2)
        await bot.watch_once()


@pytest.fixture
def operated(world: World, tmp_path: Path) -> World:
    """Return a world with an operator."""
    world.settings = settings_for(tmp_path, admin_ids=str(OPERATOR))
    return world


async def test_operators_hear_of_blindness_and_of_its_end(operated: World) -> None:
    """One alert at the threshold, one when it doubles; then that the city is back, and since when it was away."""
    world = operated
    operator = world.telegram.person(id=OPERATOR, first_name="Olga", language_code="en")
    async with world.bot() as bot:
        await world.say(operator, "/start")
        await watcher(world)
        world.city.fail_with("available-calendar", "html", times=None)
        await cycles(world, bot, 7)
        said = [each.text for each in operator.inbox if "Blind since" in each.text]
        assert [re.findall(r"in \d check", each)[0] for each in said] == ["in 3 check", "in 6 check"]
        assert all("Blind since 12:02" in each for each in said)
        world.city.recover()
        await cycles(world, bot, 2)
        assert "answers again. I was blind since 12:02" in operator.last.text
        assert len([each for each in operator.inbox if "answers again" in each.text]) == 1
    assert [each.properties["consecutive_failures"] for each in world.events("health_alert")] == [3, 6]


async def test_a_refused_address_asks_nothing_more(operated: World) -> None:
    """IP_BLACKLISTED: one alert, the operators know, no request until the bot is started again."""
    world = operated
    operator = world.telegram.person(id=OPERATOR, first_name="Olga", language_code="en")
    async with world.bot() as bot:
        await world.say(operator, "/start")
        anna = await watcher(world)
        await watcher(world, PASSPORT)
        world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
        await bot.watch_once()
        world.city.fail("available-calendar", 403, "IP_BLACKLISTED")
        before = anna.last.text
        await cycles(world, bot, 1)
        asked = len(world.city.requests)
        await cycles(world, bot, 5)

        assert asked == len(world.city.requests)
        assert before == anna.last.text
        assert "IP_BLACKLISTED" in operator.last.text
        assert world.only("health_alert").properties["alert_type"] == "consecutive_failures"
        for text in ("/health", "/status"):
            assert "blind since 12:02" in await world.say(anna, text), "who may not ask is not well"
    world.city.take(EAT, EAT_OFFICE)
    async with world.bot() as bot:
        await cycles(world, bot, 1)
        assert asked < len(world.city.requests)


async def test_link_only_never_asks_what_needs_a_captcha(world: World, tmp_path: Path) -> None:
    """The person gets the city's own link; what was watched before is not asked about; nothing is solved."""
    async with world.bot() as bot:
        await watcher(world, EMERGENCY)
    world.settings = settings_for(tmp_path, munich_captcha="link_only")
    world.city.release(EMERGENCY, EMERGENCY_OFFICE, [FRIDAY_TEN])
    async with world.bot() as bot:
        anna = world.telegram.person(language_code="en")
        await world.say(anna, "/start")
        await anna.press_data(f"s:{EMERGENCY}")
        await world.telegram.settled()
        assert "protects" in anna.last.text
        assert [each.url for each in anna.last.buttons if each.url]
        await cycles(world, bot, 2)
    asked = {each.path.strip("/").rpartition("/")[2] for each in world.city.requests}
    assert not asked & {"captcha-challenge", "captcha-verify", "available-calendar"}
    assert not world.events("captcha_solved")


async def test_the_catalogue_is_asked_for_at_most_hourly(world: World, bot: Bot) -> None:
    """However many cycles and commands; an old one serves while the city does not give a new one."""
    anna = await watcher(world)

    def asked() -> int:
        return len([each for each in world.city.requests if each.path.endswith("/offices-and-services/")])

    for _ in range(29):
        await cycles(world, bot, 1)
    await world.say(anna, "/subscribe")
    assert asked() == 1
    world.city.fail_with("offices-and-services", "html", times=None)
    world.clock.pass_(minutes=3)
    await bot.watch_once()
    assert "Which service" in await world.say(anna, "/subscribe")
    assert asked() == 2


async def test_without_any_catalogue_what_is_ones_own_still_works(world: World) -> None:
    """After a restart the city is away: people see, pause and end what they watch; the city is asked once a minute."""
    async with world.bot():
        anna = await watcher(world)
        await anna.press_data(f"o:{PASSPORT}:54261")
        await world.telegram.settled()

    async def sleep(seconds: float) -> None:
        world.clock.pass_(seconds=seconds)

    world.sleep = sleep
    world.clock.pass_(days=1)  # what another instance may have kept of the city is of no use any more
    world.city.requests.clear()
    world.city.fail_with("offices-and-services", "html", times=None)
    async with world.bot() as bot:
        for _ in range(3):
            mine = await world.say(anna, "/myservices")
            assert f"Service {EAT}" in mine
            assert "at Office 54261" in mine
            assert "does not answer" in await world.say(anna, "/subscribe")
        assert len(world.city.requests) == 1
        await world.press(anna, f"Pause Service {EAT}")
        assert [each.text for each in anna.inbox if "paused" in each.text]
        await world.say(anna, "/setdates")
        await world.press(anna, "All services")
        assert "All right" in await world.press(anna, "Next 7 days")
        await world.say(anna, "/myservices")
        assert "no longer watch" in await world.press(anna, f"Stop watching Service {PASSPORT}")
        await world.press(anna, "My services")
        await world.press(anna, f"Resume Service {EAT}")
        for _ in range(3):
            world.clock.pass_(minutes=2)
            await bot.watch_once()
        assert "blind since 12:02" in await world.say(anna, "/status")
        assert len(world.city.requests) == 4
        world.city.recover()
        world.clock.pass_(minutes=2)
        await bot.watch_once()
        assert "Abholung" in await world.say(anna, "/status")


async def test_every_request_says_who_asks(world: World, bot: Bot) -> None:
    """The contact of the settings is in each User-Agent, booking steps included."""
    anna = await watcher(world)
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    await bot.watch_once()
    await world.press(anna, "Book Fri")
    await world.press(anna, "Fri 27.11. 10:00")
    assert len(world.city.requests) >= 3
    assert {True} == {"tests@example.org" in each.headers["user-agent"] for each in world.city.requests}


async def test_the_rate_limit_is_kept_before_the_city_makes_us(world: World) -> None:
    """With few requests left polling pauses until the city's reset, and a booking still goes through."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        world.clock.pass_(seconds=seconds)

    world.city = SimulatedCity(world.clock, rate_rule="renewing", rate_limit=14)
    world.sleep = sleep
    async with world.bot() as bot:
        anna = await watcher(world)
        world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
        await bot.watch_once()
        for _ in range(4):
            world.clock.pass_(seconds=5)
            await bot.watch_once()
        assert slept
        assert 50 <= max(slept) <= 62
        await world.press(anna, "Book Fri")
        assert "first and last name" in await world.press(anna, "Fri 27.11. 10:00")
    assert not world.events("api_error")


@pytest.mark.parametrize(("interval", "low", "high"), [(120, 102.0, 138.0), (61, 61.0, 70.15)])
def test_checks_are_jittered_and_never_below_the_floor(
    interval: float, low: float, high: float, tmp_path: Path
) -> None:
    """120 s give or take 15 %, from the chance that was passed in; 61 s at least."""
    pause = check_pause(settings_for(tmp_path, check_interval_seconds=interval), random.Random(7))  # noqa: S311  known
    found = [pause() for _ in range(500)]
    assert low <= min(found) <= low + 1
    assert high - 1 <= max(found) <= high
    assert len(set(found)) > 100


async def test_a_trace_shows_services_rows_and_the_city(world: World, bot: Bot) -> None:
    """Under a press: the service, its units of work without a word of SQL, the city with its semantic names."""
    anna = await watcher(world)
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    await bot.watch_once()
    await world.press(anna, "Book Fri")
    world.exporter.clear()
    await world.press(anna, "Fri 27.11. 10:00")

    (press,) = world.spans("button book.time")
    spans = [
        each
        for each in world.exporter.get_finished_spans()
        if each.context and press.context and each.context.trace_id == press.context.trace_id
    ]
    by_name = {each.name: each for each in spans}
    assert press.kind is SpanKind.CONSUMER
    assert {"service booking.choose", "db transaction", "munich reserve-appointment", "telegram sendMessage"} <= set(
        by_name
    )
    service = by_name["service booking.choose"]
    city = by_name["munich reserve-appointment"]
    assert service.parent
    assert press.context
    assert service.parent.span_id == press.context.span_id
    assert city.parent
    assert service.context
    assert city.parent.span_id == service.context.span_id
    assert dict(city.attributes or {}) == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "server.address": "city.example",
        "url.template": "/reserve-appointment/",
    }
    rows = [dict(each.attributes or {}) for each in spans if each.name == "db transaction"]
    assert {each["db.system.name"] for each in rows} in ({"sqlite"}, {"postgresql"})
    assert {"transaction"} == {each["db.operation.name"] for each in rows}
    assert {True, False} >= {each["termin_bot.db.committed"] for each in rows}
    assert not [each for each in spans if "SELECT" in each.to_json() or "INSERT" in each.to_json()]


async def test_a_failing_unit_of_work_is_marked(world: World, bot: Bot) -> None:
    """The transaction, the service and the update are errors, with the class and without a word."""
    anna = await watcher(world)
    async with bot.database.engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE appointment RENAME COLUMN state TO elsewhere")
    await world.say(anna, "/appointments")
    for name in ("service appointments.mine", "command /appointments"):
        (span,) = world.spans(name)
        assert span.status.status_code is StatusCode.ERROR, name
        assert span.status.description is None
        (said,) = [each for each in span.events if each.name == EXCEPTION]
        assert set(said.attributes or {}) == {"exception.type", "exception.stacktrace"}, "its message may hold anything"
        kind, way = ((said.attributes or {})[f"exception.{each}"] for each in ("type", "stacktrace"))
        assert str(kind).startswith("sqlalchemy.exc.")
        assert "termin_bot.services.appointments.Appointments.mine:" in str(way)
    assert [each for each in world.spans("db transaction") if each.status.status_code is StatusCode.ERROR]
    async with bot.database.engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE appointment RENAME COLUMN elsewhere TO state")


async def test_trouble_of_our_own_does_not_stop_the_cycle(
    world: World, bot: Bot, caplog: pytest.LogCaptureFixture
) -> None:
    """A table is lost while people are told: every service is still looked at and counted; later they are told."""
    anna = await watcher(world)
    ben = await watcher(world, PASSPORT)
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    world.city.release(PASSPORT, 54261, [FRIDAY_TEN])
    async with bot.database.engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE told_slot RENAME TO elsewhere")
    await bot.watch_once()
    counts = world.only("appointment_check_batch").properties
    assert (counts["successful_checks"], counts["failed_checks"], counts["appointments_found"]) == (2, 0, 2)
    failed = world.spans("a notification failed")
    assert [each.status.status_code for each in failed] == [StatusCode.ERROR] * 2
    looks = {each.context.span_id for each in world.spans("check service") if each.context}
    assert looks == {each.parent.span_id for each in failed if each.parent}
    line = re.compile(r"a notification failed: \w+Error at termin_bot\.")
    assert len([each for each in caplog.messages if line.match(each)]) == 2
    async with bot.database.engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO told_slot")
    await bot.watch_once()
    assert all("Free now" in person.last.text for person in (anna, ben))


async def test_a_service_that_cannot_be_stored_is_a_failed_check(world: World, bot: Bot) -> None:
    """The slots of one look cannot be written: it counts as failed, nobody hears "gone", and the next one works."""
    anna = await watcher(world)
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    await bot.watch_once()
    before = anna.last.text
    async with bot.database.engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE slot RENAME COLUMN seen_at TO elsewhere")
    world.clock.pass_(minutes=2)
    await bot.watch_once()
    async with bot.database.engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE slot RENAME COLUMN elsewhere TO seen_at")
    assert world.events("appointment_check_batch")[-1].properties["failed_checks"] == 1
    world.clock.pass_(minutes=2)
    await bot.watch_once()
    assert world.events("appointment_check_batch")[-1].properties["successful_checks"] == 1
    assert before == anna.last.text


async def test_the_sweeper_is_no_noise(world: World, bot: Bot, caplog: pytest.LogCaptureFixture) -> None:
    """With nothing to do, a second's look leaves no span and no line."""
    await watcher(world)
    await bot.sweep_once()
    world.exporter.clear()
    with caplog.at_level(logging.DEBUG, "termin_bot"):
        await bot.sweep_once()
    assert not world.exporter.get_finished_spans()
    assert not [each for each in caplog.records if each.name.startswith("termin_bot")]


async def test_the_check_cycle_is_a_trace_with_a_child_per_service(world: World, bot: Bot) -> None:
    """Notifications and questions hang under their service; the cycle hangs under nothing."""
    await watcher(world)
    await watcher(world, PASSPORT)
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    await bot.watch_once()
    (cycle,) = world.spans("check cycle")
    looks = world.spans("check service")
    assert cycle.parent is None
    assert cycle.context
    assert {cycle.context.span_id} == {each.parent.span_id for each in looks if each.parent}
    assert {EAT, PASSPORT} == {(each.attributes or {})["termin_bot.service_id"] for each in looks}
    (notification,) = world.spans("notification")
    assert notification.kind is SpanKind.PRODUCER
    assert {"messaging.system": "telegram", "messaging.operation.type": "send"}.items() <= (
        dict(notification.attributes or {}).items()
    )


@pytest.fixture(scope="module")
def reader() -> InMemoryMetricReader:
    """Read the bot's metrics, through the public API."""
    reader = InMemoryMetricReader()
    # It stays: the global provider can be set once, and one that was shut down warns each later test that measures.
    metrics.set_meter_provider(MeterProvider([reader], shutdown_on_exit=False))
    return reader


def measured(reader: InMemoryMetricReader) -> int:
    """Return how many lags were measured until now."""
    data = reader.get_metrics_data()
    points = [
        point
        for resource in (data.resource_metrics if data is not None else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == "termin_bot.update.lag" and metric.unit == "s"
        for point in metric.data.data_points
    ]
    return sum(each.count for each in points if isinstance(each, HistogramDataPoint))


@pytest.mark.usefixtures("bot")
async def test_the_lag_of_updates_is_an_attribute_and_a_histogram(reader: InMemoryMetricReader, world: World) -> None:
    """From the message's own time until it is handled, in seconds; presses have no time of their own."""
    before = measured(reader)
    anna = await watcher(world)
    await anna.send("/help")
    world.clock.pass_(seconds=7)
    await anna.answer()
    await world.telegram.settled()

    (span,) = world.spans("command /help")
    assert 0 <= int(str((span.attributes or {})["termin_bot.update.lag_ms"])) <= 7_000
    assert measured(reader) - before == 2
