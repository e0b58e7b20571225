"""
What can go wrong, as one small tree.

    UmamiExporterError
      ├─ TaxonomyError     a declaration that could not be stored, or could hold personal data
      ├─ SettingsError     a missing or malformed setting; the message names it and never its value when it is secret
      └─ SpoolError        the spool file cannot be read or written
           └─ SpoolUnavailable   not now: the disk is full or read-only, or another process holds the file
"""


class UmamiExporterError(Exception):
    """The root of this library's errors."""


class TaxonomyError(UmamiExporterError, ValueError):
    """A declaration breaks a rule."""


class SettingsError(UmamiExporterError, ValueError):
    """A setting is missing or malformed."""


class SpoolError(UmamiExporterError):
    """The spool cannot be read or written."""


class SpoolUnavailable(SpoolError):  # noqa: N818  # says what is the case
    """The spool cannot be written now; it may get better by itself."""
