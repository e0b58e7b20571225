"""What opens an appointment, and what people typed, stays between the bot and the city."""

import logging
import traceback
from collections.abc import Iterable

import httpx
import pytest
from munich_town import EMERGENCY, ManualClock, Town, at, day, new_client, open_town

from termin_bot.munich import Contact, Credentials, MunichError

CANARIES = {
    "family_name": "Canaria Nomen",
    "email": "canary.mail@example.org",
    "telephone": "+4989111222333",
    "custom_text": "canary-azr-99",
    "custom_text2": "canary-second-77",
}
CONTACT = Contact(**CANARIES)
STEPS = ("offices-and-services", "captcha-challenge", "captcha-verify", "available-calendar", "reserve-appointment")
LATER_STEPS = ("update-appointment", "preconfirm-appointment", "appointment", "cancel-appointment")


async def a_booking(town: Town, said: list[str]) -> None:
    """Go the whole way as far as the city lets us; write down whatever could be printed."""
    town.release(EMERGENCY, at(day(1), 9))
    client = town.client
    try:
        await client.catalogue()
        calendar = await town.look(EMERGENCY)
        reservation = await client.reserve(calendar.slots[0])
        said += [repr(reservation), str(reservation), repr(reservation.credentials), repr(CONTACT)]
        said.append(repr(await client.update(reservation.credentials, CONTACT)))
        said.append(repr(await client.preconfirm(reservation.credentials)))
        said.append(repr(town.city.bookings()) + repr(town.city.outbox))
        town.city.activate(reservation.process_id)
        said.append(repr(await client.appointment(reservation.credentials)))
        said.append(repr(await client.cancel(reservation.credentials)))
    except MunichError as error:
        said += [repr(error), str(error), "".join(traceback.format_exception(error)), repr(vars(error))]
        said.append(f"{error.__cause__!r} {error.__context__!r}")


def spoken(town: Town) -> Iterable[str]:
    for span in town.spans.get_finished_spans():
        yield repr((span.name, dict(span.attributes or {}), span.status.description, span.events, span.links))


def assert_silent(town: Town, texts: Iterable[str]) -> None:
    process_ids = {str(booking.process_id) for booking in town.city.bookings()}
    secrets = town.city.secrets() | set(CANARIES.values())
    for text in texts:
        assert not [secret for secret in secrets if secret in text]
        assert not [process_id for process_id in process_ids if process_id in text]


@pytest.mark.parametrize("shape", [None, "html", "timeout", "other_keys", "error_object"])
@pytest.mark.parametrize("step", STEPS + LATER_STEPS)
async def test_nothing_prints_a_secret(caplog: pytest.LogCaptureFixture, step: str, shape: str | None) -> None:
    """Representations, exceptions with tracebacks, spans and our log at DEBUG, on the way and on every wrong turn."""
    caplog.set_level(logging.DEBUG, logger="termin_bot")
    said: list[str] = []
    async with open_town(timeout=0.05) as town:
        if shape:
            town.city.fail_with(step, shape, times=None)  # type: ignore[arg-type]  # a table of shapes
        await a_booking(town, said)

    assert_silent(town, [*said, *spoken(town)])
    assert_silent(town, [record.getMessage() for record in caplog.records if record.name.startswith("termin_bot")])
    assert town.city.secrets() or step in STEPS


async def test_a_foreign_exception_with_the_url_in_it_ends_at_the_border() -> None:
    """Httpx knows the whole URL; neither text nor traceback nor context of our error does."""
    key = "canary-" + "auth-key"  # in two parts: a traceback quotes this line

    def broken(request: httpx.Request) -> httpx.Response:
        assert key in str(request.url)
        raise httpx.ConnectError(f"cannot reach {request.url}", request=request)

    client = new_client(ManualClock(), httpx.MockTransport(broken))
    async with client:
        with pytest.raises(MunichError) as caught:
            await client.appointment(Credentials(101002, key))

    printed = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    assert key not in printed
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


async def test_spans_say_what_an_operator_needs() -> None:
    """Name, kind, method, status, host, template and error type; and nothing else."""
    async with open_town() as town:
        await town.client.catalogue()
        town.city.fail("available-calendar", 404, "scopeNotFound")
        with pytest.raises(MunichError):
            await town.look()

    good, bad = town.spans.get_finished_spans()
    assert (good.name, good.kind.name, good.status.status_code.name) == (
        "munich offices-and-services",
        "CLIENT",
        "UNSET",
    )
    assert dict(good.attributes or {}) == {
        "http.request.method": "GET",
        "server.address": "city.example",
        "url.template": "/offices-and-services/",
        "http.response.status_code": 200,
    }
    assert dict(bad.attributes or {}) == {
        "http.request.method": "GET",
        "server.address": "city.example",
        "url.template": "/available-calendar/",
        "http.response.status_code": 404,
        "error.type": "scopeNotFound",
    }
    assert (bad.status.status_code.name, bad.status.description, bad.events) == ("ERROR", None, ())


async def test_a_captcha_is_one_span_around_its_requests() -> None:
    """An operator sees how long solving took."""
    async with open_town() as town:
        await town.client.catalogue()
        await town.look(EMERGENCY)

    spans = {span.name: span for span in town.spans.get_finished_spans()}
    captcha = spans["munich captcha"]
    for child in ("munich captcha-challenge", "munich captcha-verify"):
        parent = spans[child].parent
        assert parent is not None
        assert captcha.context is not None
        assert parent.span_id == captcha.context.span_id


async def test_we_say_who_we_are() -> None:
    """Every request carries the operator's User-Agent."""
    async with open_town(user_agent="MunichAppointmentBot/1 (+mailto:ops@example.org)") as town:
        await a_booking(town, [])

    assert {request.headers["user-agent"] for request in town.city.requests} == {
        "MunichAppointmentBot/1 (+mailto:ops@example.org)"
    }
