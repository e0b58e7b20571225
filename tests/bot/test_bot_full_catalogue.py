"""A check cycle over everything the real city has, within the city's rate limit: on a clock, so in seconds."""

import json
from pathlib import Path

import httpx
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from termin_bot.services.readiness import LATE_AT_LEAST
from termin_bot.simulation.city_catalogue import build_large_catalogue
from termin_bot.simulation.large_town import LargeTown


def test_the_catalogue_is_as_large_as_the_real_one() -> None:
    """As published: 156 bookable services, 78 offices, 306 relations; 124 services with one office, 12 at most."""
    catalogue = build_large_catalogue()
    offices_of: dict[int, set[int]] = {}
    for relation in catalogue["relations"]:
        offices_of.setdefault(relation["serviceId"], set()).add(relation["officeId"])
    sizes = sorted(len(each) for each in offices_of.values())
    assert (len(catalogue["services"]), len(catalogue["offices"]), sum(sizes)) == (156, 78, 306)
    assert (sizes.count(1), sizes[-1]) == (124, 12)
    assert {each["id"] for each in catalogue["offices"]} == {each["officeId"] for each in catalogue["relations"]}
    assert json.dumps(catalogue) == json.dumps(build_large_catalogue())


@pytest.mark.parametrize("each_office_alone", [False, True], ids=["156 services", "306 relations"])
@pytest.mark.parametrize("something_free", [False, True], ids=["nothing free", "days to ask for"])
async def test_no_request_is_one_too_many(
    tmp_path: Path,
    exporter: InMemorySpanExporter,
    each_office_alone: bool,  # noqa: FBT001  a case
    something_free: bool,  # noqa: FBT001  a case
) -> None:
    """Two cycles in a row over all relations: each is looked at in each cycle, and the city never says 429."""
    town = LargeTown(tmp_path)
    wanted = town.by_office() if each_office_alone else town.by_service()
    async with town.bot() as bot:
        await town.watch(bot, wanted)
        if something_free:
            town.release_everywhere()
        for _ in range(2):
            with town.measured() as cycle:
                await bot.check_once()
            looks = [each.attributes or {} for each in exporter.get_finished_spans() if each.name == "check service"]
            assert len(looks) == len(wanted)
            assert not [each for each in looks if "error.type" in each]
            exporter.clear()
            assert cycle.refused == 0
            assert cycle.requests >= len(wanted)
            assert cycle.seconds < LATE_AT_LEAST
            await town.sleep(61)
    seen = {
        (int(each.query["serviceIds"]), int(office))
        for each in town.city.requests
        if "serviceIds" in each.query
        for office in each.query["officeIds"].split(",")
    }
    assert seen == set(town.relations)


async def test_the_city_would_have_refused_a_bot_that_hurries(tmp_path: Path) -> None:
    """The simulated city counts as the real one does: the test above can fail."""
    town = LargeTown(tmp_path)
    transport = httpx.ASGITransport(town.city.app)
    async with httpx.AsyncClient(transport=transport, base_url=town.city.base_url) as http:
        for _ in range(130):
            await http.get("/offices-and-services/")
    assert town.city.rate.refused == 10
