"""What people watch, without the people: a service, where, and on which days."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What *people* people watch; *offices* are ids, ascending, with commas, empty is any office."""

    service_id: int
    offices: str
    date_from: date | None
    date_to: date | None
    people: int = 1

    @property
    def office_ids(self) -> tuple[int, ...]:
        """The chosen offices; empty is any."""
        return offices_in(self.offices)

    def suits(self, service_id: int, office_id: int, day: date) -> bool:
        """Whether an appointment is what these people wait for."""
        return (
            service_id == self.service_id
            and (not self.offices or office_id in self.office_ids)
            and (self.date_from is None or self.date_from <= day)
            and (self.date_to is None or day <= self.date_to)
        )


def joined(office_ids: Iterable[int]) -> str:
    """Return office ids as a row keeps them; none are any office."""
    return ",".join(str(each) for each in sorted(office_ids))


def offices_in(offices: str) -> tuple[int, ...]:
    """Return the office ids that a row keeps; empty is any office."""
    return tuple(int(each) for each in offices.split(",") if each)
