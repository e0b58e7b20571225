"""Updates that no person of the simulated Telegram sends: pictures, groups, and whatever else there is."""

from collections.abc import Mapping
from itertools import count
from typing import Any

from bot_world import World

from termin_bot.simulation.telegram import Person

CAPTION, TELEPHONE, FIRST_NAME, TITLE = "canary-caption", "+491112223335", "Canaribert", "Canary-Group"
_ids = count(990_000)


async def push(world: World, **updates: dict[str, Any]) -> None:
    """Have the bot handle an update that no person of the simulation sends."""
    world.telegram.hand_over(**updates)
    await world.telegram.settled(patience=15, quiet=0.06)


def sender(person: Person) -> dict[str, object]:
    """Return a person as Telegram describes them."""
    return {"id": person.id, "is_bot": False, "first_name": "Canarina", "language_code": "en"}


def message(world: World, person: Person, chat: Mapping[str, object] | None = None, **what: Any) -> dict[str, Any]:
    """Return a message of a person's, in their chat with the bot or in another."""
    own = {"id": person.id, "type": "private", "first_name": "Canarina"}
    return {
        "message_id": next(_ids),
        "date": int(world.clock()),
        "from": sender(person),
        "chat": dict(chat or own),
        **what,
    }


FILE = {"file_id": "f", "file_unique_id": "u"}
NO_TEXT: dict[str, dict[str, Any]] = {
    "photo": {"photo": [{**FILE, "width": 9, "height": 9}], "caption": CAPTION},
    "sticker": {
        "sticker": {**FILE, "width": 9, "height": 9, "is_animated": False, "is_video": False, "type": "regular"}
    },
    "contact": {"contact": {"phone_number": TELEPHONE, "first_name": FIRST_NAME}},
    "location": {"location": {"latitude": 48.1, "longitude": 11.5}},
    "voice": {"voice": {**FILE, "duration": 1}},
    "document": {"document": {**FILE, "file_name": "/stop"}, "caption": "/stop"},
}
GROUP = {"id": -4711, "type": "group", "title": TITLE}
