# One image for every Airflow service; what runs in it is told by docker-compose.yaml.
FROM python:3.12.12-slim-bookworm

RUN useradd --create-home --uid 10001 rapport \
    && install --directory --owner=rapport --group=rapport /var/lib/rapport

WORKDIR /opt/rapport
COPY requirements.txt ./
RUN python -m pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
    -r requirements.txt

COPY pyproject.toml requirements.in README.md LICENSE ./
COPY plugins plugins
COPY dags dags
COPY dbt_project dbt_project
COPY config config
# Editable, because Rapport looks for dags/ and dbt_project/ beside the package.
RUN python -m pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation --editable . \
    && python -m compileall -q plugins dags

ENV PYTHONUNBUFFERED=1 \
    AIRFLOW_HOME=/home/rapport/airflow \
    RAPPORT_HOME=/var/lib/rapport \
    RAPPORT_CONFIG=/opt/rapport/config
USER rapport
VOLUME /var/lib/rapport
CMD ["airflow", "version"]
