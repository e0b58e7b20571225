# Two images from one file: `--target bot` runs the Munich Appointment Bot, `--target bridge` the OTLP receiver.
#
# What is installed is what was locked (--require-hashes); nothing is compiled or fetched at run time. Both run as
# nobody, on a read-only root file system: only /data (and /tmp) can be written.

ARG PYTHON=3.13-slim-bookworm

# The build's own tool, from the same lock. It stays out of the images.
FROM python:${PYTHON} AS base
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /src
RUN python -m venv /opt/app
ENV PATH=/opt/app/bin:$PATH

FROM base AS bot-build
COPY requirements/bot.txt requirements/
RUN pip install --require-hashes -r requirements/bot.txt
COPY otel_umami_exporter /opt/app/code/otel_umami_exporter
COPY src/termin_bot /opt/app/code/termin_bot

FROM base AS bridge-build
COPY requirements/bridge.txt requirements/
RUN pip install --require-hashes -r requirements/bridge.txt
COPY otel_umami_exporter /opt/app/code/otel_umami_exporter

# What both images have in common. The code is on PYTHONPATH: no build backend is needed, and nothing can be rewritten.
FROM python:${PYTHON} AS runtime
RUN useradd --system --uid 10001 --home-dir /data --create-home --shell /usr/sbin/nologin app
ENV PATH=/opt/app/bin:$PATH PYTHONPATH=/opt/app/code PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    XDG_STATE_HOME=/data/state
COPY --chmod=0555 deploy/docker/entrypoint.sh /usr/local/bin/with-secrets
COPY --chmod=0555 deploy/docker/otel-umami.sh /usr/local/bin/otel-umami
COPY taxonomy.json projections.json /etc/otel-umami/
WORKDIR /data
VOLUME /data
USER 10001:10001
ENTRYPOINT ["with-secrets"]

FROM runtime AS bot
COPY --from=bot-build /opt/app /opt/app
# 8081 answers /healthz and /readyz, inside the container only; 8080 takes Telegram's updates where WEBHOOK_URL is set.
ENV HEALTH_PORT=8081 LOG_FORMAT=json
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=6s --start-period=60s CMD ["python", "-m", "termin_bot.probe", "healthz"]
CMD ["python", "-c", "import sys; from termin_bot.program import main; sys.exit(main())"]

FROM runtime AS bridge
COPY --from=bridge-build /opt/app /opt/app
EXPOSE 4328
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["python", "-c", \
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1:4328/readyz', timeout=4)"]
CMD ["otel-umami", "bridge", "--host", "0.0.0.0", \
    "--taxonomy", "/etc/otel-umami/taxonomy.json"]
