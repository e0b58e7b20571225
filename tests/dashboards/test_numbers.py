"""Every widget shows the number that can be counted from the events, and public sites join with nothing."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import pytest
from house import MAIN
from town import HOUR, Town, Viewer, served_town

from otel_umami_exporter.dashboards import Audience
from otel_umami_exporter.projection import shown_name
from termin_bot import events
from termin_bot.dashboards import BOOKING_FUNNEL, DASHBOARDS, PUBLIC_BOARD, SERVICES

PUBLIC_SITES: Final = {each.site_id(MAIN) for each in PUBLIC_BOARD.projections}
ALL_SITES: Final = {each.site_id(MAIN) for each in DASHBOARDS.projections}


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with served_town(tmp_path_factory.mktemp("town")) as town:
        yield town


@pytest.fixture(scope="module")
def public(town: Town) -> Iterator[Viewer]:
    viewer = Viewer(town, PUBLIC_BOARD.slug)
    yield viewer
    viewer.close()


@pytest.fixture(scope="module")
def team(town: Town) -> Iterator[Viewer]:
    viewer = Viewer(town, None)
    yield viewer
    viewer.close()


def test_everything_is_stored_as_it_was_sent(town: Town) -> None:
    """Umami would have dropped or changed nothing, also of the copies."""
    assert town.inbox.problems() == []
    assert len([each for each in town.inbox.events(MAIN) if each.name is not None]) == len(
        [each for each in town.happenings if each.event is not None]
    )


def test_the_six_public_widgets_show_what_happened(town: Town, public: Viewer) -> None:
    """Read with the link alone, each over the range of the guide."""
    shown = public.components(public.board)
    success = town.recent("24hour", events.BookingCompleted, lambda each: each.status == "success")

    assert public.numbers(shown["Active users"], "30day") == {"visitors": town.active()}
    assert public.numbers(shown["Appointments found"], "24hour") == {
        "appointment_found": town.recent("24hour", events.AppointmentFound)
    }
    assert public.numbers(shown["Successful bookings"], "24hour") == {"booking_completed: success": success}
    assert public.numbers(shown["Appointment trend"], "7day") == {
        "appointment_found": town.recent("7day", events.AppointmentFound)
    }
    assert public.numbers(shown["Bot activity by hour"], "24hour") == {"event": len(town.within("24hour"))}
    assert public.numbers(shown["Popular services"], "30day") == {
        shown_name(name): number for name, number in town.services(SERVICES.at_least).items()
    }


def test_the_hours_of_the_activity_are_the_hours_of_the_events(town: Town, public: Viewer) -> None:
    """Coarse time moves nothing from one hour to another."""
    component = public.components(public.board)["Bot activity by hour"]

    series = public.get(
        f"/websites/{component['entityId']}/events/series", "24hour", unit="hour", timezone="UTC"
    )  # fmt: skip

    expected = Counter(each.at // HOUR for each in town.within("24hour"))
    assert sorted(each["y"] for each in series) == sorted(expected.values())


def count(town: Town, over: str, kind: type[Any], name: str) -> dict[str, int]:
    found = Counter(str(getattr(each.event, name)) for each in town.within(over) if isinstance(each.event, kind))
    return dict(found)


def test_the_internal_widgets_show_what_happened(town: Town, team: Viewer) -> None:
    """By type, by command, and which of two."""
    [address] = [each for each in town.result.addresses if "/boards/" in each.url]
    shown = team.components(address.url.rpartition("/")[2])

    captchas = count(town, "7day", events.CaptchaSolved, "success")
    commands = Counter(count(town, "30day", events.CommandExecuted, "command_name"))
    steps = {
        step.event.name: town.recent("30day", step.event) for step in BOOKING_FUNNEL.steps
    }  # fmt: skip
    assert team.numbers(shown["API errors by type"], "7day") == count(town, "7day", events.ApiError, "error_type")
    assert team.numbers(shown["Failed notifications by type"], "7day") == count(
        town, "7day", events.NotificationFailed, "error_type"
    )
    assert team.numbers(shown["Captchas solved and failed"], "7day") == {
        f"captcha solved: {value.lower()}": number for value, number in captchas.items()
    }
    assert team.numbers(shown["Commands"], "30day") == commands
    assert team.numbers(shown["People who blocked the bot"], "30day") == {
        "user_blocked_bot": town.recent("30day", events.UserBlockedBot)
    }
    assert team.numbers(shown["Registered against stopped"], "30day") == {
        "user_registered": town.recent("30day", events.UserRegistered),
        "user_stopped": town.recent("30day", events.UserStopped),
    }
    assert team.numbers(shown["Booking steps"], "30day") == steps


def test_the_funnel_counts_people_from_step_to_success(town: Town, team: Viewer) -> None:
    """The saved report, run: the last step is status = success only; conversion is its share of the first."""
    [report] = [each for each in team.get("/reports", websiteId=MAIN)["data"] if each["type"] == "funnel"]
    dates = {"startDate": "2000-01-01T00:00:00Z", "endDate": "2100-01-01T00:00:00Z"}
    body = {"websiteId": MAIN, "type": "funnel", "filters": {}, "parameters": report["parameters"] | dates}

    answer = team.post("/reports/funnel", body)

    expected = town.funnel()
    assert [step["visitors"] for step in answer] == expected
    assert answer[-1]["remaining"] == pytest.approx(expected[-1] / expected[0])


def test_nothing_on_a_public_site_joins_with_the_internal_one(town: Town) -> None:
    """No id, no session, no trace, no property, no moment below the hour, no value of too few people."""
    internal = town.inbox.events(MAIN)
    public = [each for each in town.inbox.events() if each.website_id in PUBLIC_SITES]
    people = {each.visitor for each in town.happenings if each.visitor}
    rare = {"Ehefähigkeitszeugnis"} - set(town.services(SERVICES.at_least))

    assert public
    assert {each.visitor for each in public if each.visitor}.isdisjoint(people)
    assert {each.session_id for each in public}.isdisjoint({each.session_id for each in internal})
    assert all(each.data == {} for each in public)
    assert all(each.created_at.timestamp() % HOUR == 0 for each in public)
    assert {each.url_path for each in public} == {"/event", "/active"}
    assert {each.tag for each in public} == {None}
    assert rare
    assert {each.name for each in public}.isdisjoint(rare)


def test_visitors_of_one_public_site_are_nobody_on_another(town: Town) -> None:
    """And of one service nobody of another: who watches what cannot be put together."""
    seen: dict[object, set[str]] = {}
    for each in town.inbox.events():
        if each.website_id in PUBLIC_SITES and each.visitor:
            scope = (each.website_id, each.name) if each.website_id == SERVICES.site_id(MAIN) else each.website_id
            seen.setdefault(scope, set()).add(each.visitor)

    ids = [one for group in seen.values() for one in group]
    assert len(seen) > len(town.services(SERVICES.at_least))
    assert len(ids) == len(set(ids))


def test_the_public_link_opens_no_website_but_the_projections(town: Town, public: Viewer) -> None:
    """What anybody may read for ever is the copies."""
    internal = ALL_SITES - PUBLIC_SITES | {MAIN}

    assert {public.status(f"/websites/{each}/events") for each in PUBLIC_SITES} == {200}
    assert {public.status(f"/websites/{each}/events") for each in internal} == {401}
    assert public.status("/websites") == public.status("/boards") == 401
    assert all(each.audience is Audience.PUBLIC for each in town.result.addresses if "/share/" in each.url)
