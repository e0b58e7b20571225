"""What the bot's database holds before the demo begins: people who were here weeks ago."""

import secrets
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from termin_bot.services.clock import DAY_SECONDS, today
from termin_bot.storage import Database, Person, Subscription

from .citizens_cast import Part

_REGISTERED_DAYS_AGO: Final = 90
_SEEN_DAYS_AGO: Final = 45
_OVER_SINCE_DAYS: Final = 10
_OLD_SERVICE: Final = 1063741


async def remember(database_url: str, parts: Iterable[Part], now: float) -> None:
    """Write down everybody whose story began long ago, with a subscription whose last day has passed."""
    database = Database(database_url)
    try:
        await database.migrate()
        async with database.work() as work:
            for part in parts:
                if not part.story.began_long_ago:
                    continue
                person = await work.people.add(
                    Person(
                        telegram_id=part.identity.telegram_id,
                        pseudonym=secrets.token_urlsafe(18),
                        language="en",
                        registered_at=now - _REGISTERED_DAYS_AGO * DAY_SECONDS,
                        last_seen_at=now - _SEEN_DAYS_AGO * DAY_SECONDS,
                        last_command_at=now - _SEEN_DAYS_AGO * DAY_SECONDS,
                    )
                )
                await work.subscriptions.add(
                    Subscription(
                        person_id=person.id,
                        service_id=_OLD_SERVICE,
                        date_from=today(now) - timedelta(days=_SEEN_DAYS_AGO),
                        date_to=today(now) - timedelta(days=_OVER_SINCE_DAYS),
                        created_at=now - _SEEN_DAYS_AGO * DAY_SECONDS,
                    )
                )
            await work.commit()
    finally:
        await database.close()
