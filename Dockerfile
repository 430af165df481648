# One image for every service of docker-compose.yml: Airflow, its workers, and the data API.
FROM python:3.11-slim-bookworm

ENV PYTHONUNBUFFERED=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    DO_NOT_TRACK=1 \
    DBT_SEND_ANONYMOUS_USAGE_STATS=false \
    GX_ANALYTICS_ENABLED=false \
    SCARF_ANALYTICS=false \
    VIRTUAL_ENV=/opt/venv \
    PATH=/opt/venv/bin:$PATH \
    AIRFLOW_HOME=/opt/groundwork/airflow \
    GROUNDWORK_PROJECT=/opt/groundwork/project \
    GROUNDWORK_HOME=/opt/groundwork/state

RUN groupadd --gid 50000 groundwork \
 && useradd --uid 50000 --gid groundwork --create-home --shell /usr/sbin/nologin groundwork \
 && mkdir -p "$AIRFLOW_HOME" "$GROUNDWORK_HOME/lineage" "$GROUNDWORK_HOME/logs" "$GROUNDWORK_HOME/spool" \
 && chown -R groundwork:groundwork /opt/groundwork

WORKDIR /opt/groundwork/project
# Packages change seldom and the code often, so they are a layer of their own; every file is checked by its hash.
COPY requirements.lock .ci/uv.txt ./
RUN python -m venv "$VIRTUAL_ENV" \
 && pip install --no-cache-dir --require-hashes -r uv.txt \
 && uv pip install --no-cache --require-hashes -r requirements.lock

COPY plugins plugins
COPY dags dags
COPY dbt_project dbt_project
COPY expectations expectations
COPY governance governance
COPY deploy deploy
RUN python -c "import pathlib, sysconfig; pathlib.Path(sysconfig.get_path('purelib'), 'groundwork_source.pth').write_text('/opt/groundwork/project/plugins')" \
 && printf '#!/bin/sh\nexec python -m groundwork.cli "$@"\n' > "$VIRTUAL_ENV/bin/groundwork" \
 && chmod +x "$VIRTUAL_ENV/bin/groundwork" \
 && python -m compileall -q plugins

USER groundwork
WORKDIR /opt/groundwork
CMD ["groundwork", "version"]
