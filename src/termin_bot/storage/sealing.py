"""
Encryption at rest, for what would hurt in a stolen database: credentials of appointments, and what people type.

    row in memory ──bind──► Vault.seal ──► text in the database ──result──► Vault.open ──► row in memory

A column is sealed by its type, so no query can forget it. Which vault belongs to which database is known by the
dialect, the one object of an engine that a column type gets to see.
"""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from weakref import WeakKeyDictionary

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator

_log: Final = logging.getLogger(__name__)
OWNER_ONLY: Final = 0o600
_vaults: Final[WeakKeyDictionary[Dialect, "Vault"]] = WeakKeyDictionary()


class Vault:
    """Seals with the first key and opens with any of them, so that keys can be changed: the new one first."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(each) for each in keys])

    def seal(self, text: str) -> str:
        """Return *text* so that only a holder of the key can read it."""
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str | None:
        """Return what was sealed; None, and a line in the log, when none of the keys fits."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            _log.error("a sealed value cannot be opened: none of ENCRYPTION_KEYS fits")
            return None


def key_is_usable(key: str) -> bool:
    """Return whether *key* is what `Fernet.generate_key` makes: 32 bytes in URL-safe base64."""
    try:
        Fernet(key)
    except ValueError:
        return False
    return True


def keys_beside(database: Path | None) -> tuple[str, ...]:
    """
    Return the key that lies beside the database file, made on first use and readable by its owner only.

    Without a file (a database in memory) the key is as short-lived as the database.
    """
    if database is None:
        return (Fernet.generate_key().decode(),)
    path = database.with_name(f"{database.name}.key")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    except FileExistsError:
        return tuple(path.read_text(encoding="ascii").split())
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        key = Fernet.generate_key().decode()
        file.write(key + "\n")
    return (key,)


def give_vault(dialect: Dialect, vault: Vault) -> None:
    """Have the sealed columns of this dialect's engine use *vault*."""
    _vaults[dialect] = vault


class Sealed(TypeDecorator[str]):
    """Text that is encrypted in the database."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Seal on the way in."""
        return None if value is None else _vaults[dialect].seal(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Open on the way out."""
        return None if value is None else _vaults[dialect].open(value)


class SealedInt(TypeDecorator[int]):
    """A number that is encrypted in the database."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> str | None:
        """Seal on the way in."""
        return None if value is None else _vaults[dialect].seal(str(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> int | None:
        """Open on the way out."""
        opened = None if value is None else _vaults[dialect].open(value)
        return None if opened is None else int(opened)
