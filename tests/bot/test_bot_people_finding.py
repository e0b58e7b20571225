"""Finding a service: kinds, favourites, and typing a part of its name."""

import pytest
from bot_world import EAT, PASSPORT, World

from termin_bot import keyboards_settings
from termin_bot.munich import Service
from termin_bot.services.kinds import fold, kind_of, search

LICENCE = "Umschreibung eines ausländischen Führerscheins"


def _service(name: str) -> Service:
    return Service(id=1, name=name, max_quantity=1, show_on_start_page=False)


@pytest.mark.parametrize(
    "typed", ["führerschein", "FÜHRERSCHEIN", "fuhrerschein", "Fuehrerschein", "ausl fuhrer", "  füh "]
)
def test_umlauts_and_case_do_not_matter(typed: str) -> None:
    """However a keyboard lets people type it, the service is found."""
    assert search([_service("Reisepass"), _service(LICENCE)], typed) == (_service(LICENCE),)


def test_nothing_typed_finds_nothing() -> None:
    """An empty search is not everything."""
    assert search([_service(LICENCE)], "  ") == ()
    assert fold("Straße É") == "strasse e"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Notfall-Hilfe Aufenthaltstitel", "residence"),
        ("Einbürgerung", "residence"),
        ("Reisepass", "identity"),
        ("Wohnsitzanmeldung", "registration"),
        (LICENCE, "driving"),
        ("Anmeldung der Eheschließung", "registration"),
        ("Gewerbeanzeige", "business"),
        ("Fundsachen", "other"),
    ],
)
def test_services_have_a_kind(name: str, kind: str) -> None:
    """The city's catalogue has none; a service without a telling name is still somewhere."""
    assert kind_of(_service(name)) == kind


@pytest.mark.usefixtures("bot")
async def test_typing_a_part_of_the_name_finds_the_service(world: World) -> None:
    """After /subscribe what is typed is looked for; when it was found, typing means nothing special again."""
    anna = world.telegram.person()
    await world.say(anna, "/start")
    await world.say(anna, "/subscribe")

    assert "found no such service" in await world.say(anna, "Mondreise canary")
    assert "Which service" in await world.say(anna, "REISEPAß")
    assert [each.label for each in anna.last.buttons] == ["Reisepass", "All services"]
    await world.press(anna, "Reisepass")
    assert "watching" in await world.press(anna, "Any office")
    assert "did not expect" in await world.say(anna, "hello")

    assert len(world.spans("conversation subscribe.search")) == 2
    assert world.only("subscription_added").properties["service_id"] == PASSPORT
    assert not [each for each in world.exporter.get_finished_spans() if "Mondreise" in each.to_json()]


@pytest.mark.usefixtures("bot")
async def test_a_search_can_be_cancelled(world: World) -> None:
    """/cancel ends it, typed or pressed."""
    anna = world.telegram.person()
    await world.say(anna, "/start")
    await world.say(anna, "/subscribe")
    assert await world.say(anna, "/cancel") == "All right."
    assert "did not expect" in await world.say(anna, "hello")
    await world.say(anna, "/subscribe")
    await anna.press_data("g:cancel")
    await world.telegram.settled()
    assert anna.last.text == "All right."


@pytest.mark.usefixtures("bot")
async def test_the_list_begins_with_favourites(world: World) -> None:
    """First what I watch; then what at least three people watch, never what only one or two do."""
    people = [world.telegram.person(first_name=f"P{number}") for number in range(3)]
    for number, person in enumerate(people):
        await world.say(person, "/start")
        await person.press_data(f"s:{EAT}")
        await world.telegram.settled()
        await world.say(person, "/subscribe")
        starred = [each.label for each in person.last.buttons if each.label.startswith("★")]
        assert starred == ["★ Abholung elektronischer Aufenthaltstitel (eAT)"], number
    newcomer = world.telegram.person(first_name="New")
    await world.say(newcomer, "/start")
    await world.say(newcomer, "/subscribe")
    assert newcomer.last.buttons[0].label.startswith("★ Abholung")
    await world.say(people[0], "/stop")
    await world.press(people[0], "Yes, delete")
    await world.say(newcomer, "/subscribe")
    assert not newcomer.last.buttons[0].label.startswith("★")


@pytest.mark.usefixtures("bot")
async def test_kinds_narrow_the_list(world: World) -> None:
    """A kind shows its services, and the way back to all."""
    anna = world.telegram.person()
    await world.say(anna, "/start")
    await world.say(anna, "/subscribe")

    assert "Passports" in await world.press(anna, "Passports")
    assert [each.label for each in anna.last.buttons] == ["Personalausweis", "Reisepass", "All services"]
    assert "Which service" in await world.press(anna, "All services")

    assert [each.properties["button_id"] for each in world.events("button_clicked")] == [
        "subscribe.category",
        "subscribe.page",
    ]


@pytest.mark.usefixtures("bot")
async def test_several_offices_are_chosen_one_after_the_other(world: World) -> None:
    """By buttons alone: what is chosen has a tick, pressing it again changes nothing, the last one ends the offer."""
    anna = world.telegram.person(language_code="en")
    await world.say(anna, "/start")
    await world.say(anna, "/subscribe")
    await world.press(anna, "Reisepass")
    offices = [each.label for each in anna.last.buttons]
    assert offices[0] == "Any office"
    assert not [each for each in offices if each.startswith("✓")]
    assert offices[1] in await world.press(anna, offices[1])
    await world.press(anna, "Another office, too")
    assert [each.label for each in anna.last.buttons if each.label.startswith("✓")] == [f"✓ {offices[1]}"]
    both = await world.press(anna, offices[2])
    assert offices[1] in both
    assert offices[2] in both
    await world.press(anna, "Another office, too")
    await world.press(anna, f"✓ {offices[1]}")
    await world.press(anna, "Another office, too")
    assert "at any office" in await world.press(anna, "Any office")
    assert not [each for each in anna.last.buttons if each.label.startswith("Another")]

    added = [each.properties.get("office_id") for each in world.events("subscription_added")]
    assert len(added) == 3, "the tick that was pressed again is no event"
    assert added[2] is None
    assert len(set(added)) == 3


def test_a_search_that_finds_too_much_says_so() -> None:
    """Twenty are shown; how many more there are is said."""
    found = tuple(
        Service(id=each, name=f"Ausweis {each}", max_quantity=1, show_on_start_page=True) for each in range(23)
    )
    screen = keyboards_settings.found(found)
    assert screen.text.endswith("? 3 more have this in their names: type more of the name to see them.")
    assert len(screen.rows) == 21
    assert "more have" not in keyboards_settings.found(found[:20]).text


@pytest.mark.usefixtures("bot")
async def test_no_message_is_a_dead_end(world: World) -> None:
    """Where nothing is to be shown, a button leads on; nobody has to know a command."""
    anna = world.telegram.person(language_code="en")
    await world.say(anna, "/start")
    for text in ("/myservices", "/setdates", "/status", "/pause", "/appointments", "hello", "/nonsense", "/quiet 99"):
        await world.say(anna, text)
        assert anna.last.buttons, text
    for number in (EAT, 1071907, 1071896, 1063741, 10339028, 10339027):
        await anna.press_data(f"s:{number}")
        await world.telegram.settled()
    assert "as many services" in anna.last.text
    assert "What you watch" in await world.press(anna, "My services")
    assert "not checked yet" in anna.last.text
    await world.say(anna, "/setdates")
    await world.press(anna, "All services")
    assert "did not understand" in await world.say(anna, "tomorrow")
    assert "stay as they are" in await world.press(anna, "Cancel")
    await world.say(anna, "/myservices")
    await world.press(anna, "Stop watching")
    assert [each.label for each in anna.last.buttons] == ["Watch a service", "My services"]
