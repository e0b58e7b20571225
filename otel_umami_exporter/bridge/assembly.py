"""The bridge's road from the settings that every door reads."""

from otel_umami_exporter.bridge.road import Road
from otel_umami_exporter.errors import SettingsError
from otel_umami_exporter.settings import chosen_projections, default_spool, load_taxonomy, read_settings, timing_from
from otel_umami_exporter.spool import SpoolLimits
from otel_umami_exporter.umami import UmamiClient


def road_from_environment(taxonomy: str | None = None, spool: str | None = None) -> Road:
    """
    Build the road from the UMAMI_ variables; arguments win over them.

    Raises:
        SettingsError: something is missing or malformed; the message names it.
        SpoolError: the spool cannot be opened.
    """
    settings = read_settings(taxonomy=taxonomy, spool=spool)
    if settings.endpoint is None:
        raise SettingsError("UMAMI_ENDPOINT: it is missing")
    if settings.website_id is None:
        raise SettingsError("UMAMI_WEBSITE_ID: it is missing")
    if settings.taxonomy is None:
        raise SettingsError("UMAMI_TAXONOMY: without a taxonomy nothing leaves; or say --taxonomy")
    site = settings.site()
    address, timeout = settings.endpoint.get_secret_value(), settings.timeout_seconds
    return Road(
        taxonomy=load_taxonomy(settings.taxonomy),
        site=site,
        spool=settings.spool or default_spool(site.website_id),
        connect=lambda: UmamiClient(address, timeout_seconds=timeout),
        limits=SpoolLimits(
            max_events=settings.max_events, max_bytes=settings.max_bytes, max_age_seconds=settings.max_age_seconds
        ),
        timing=timing_from(settings),
        projections=chosen_projections(settings, ()),
        projection_key=None if settings.projection_key is None else settings.projection_key.get_secret_value(),
    )
