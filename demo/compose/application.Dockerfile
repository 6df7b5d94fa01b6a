# One release of the application: its API, its migrations, its tests. Build context: demo/ (engine.py build).
ARG BASE=debian:bookworm-slim
FROM ${BASE}
ENV LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
RUN export DEBIAN_FRONTEND=noninteractive \
    && apt-get update \
    && apt-get install -y --no-install-recommends alembic curl python-is-python3 python3-alembic python3-fastapi \
        python3-psycopg2 python3-uvicorn uvicorn \
    && apt-get clean && rm -rf /var/lib/apt/lists/* \
    && useradd --system --home-dir /app --shell /usr/sbin/nologin app
# The migrations' own environment is one directory up from each history.
ARG HISTORY
COPY migrations/env.py /app/
COPY migrations/steps /app/steps
COPY migrations/${HISTORY} /app/history
COPY seed.py compose/api_tests.py /app/
COPY api /app/api
WORKDIR /app/history
# A release knows no newer revision than its own.
ARG UNTIL=
RUN [ -z "$UNTIL" ] || python3 -c 'if True: \
    import pathlib, sys; \
    from alembic.config import Config; \
    from alembic.script import ScriptDirectory; \
    scripts = ScriptDirectory.from_config(Config("alembic.ini")); \
    keep = {pathlib.Path(step.path).name for step in scripts.iterate_revisions(sys.argv[1], "base")}; \
    [path.unlink() for path in pathlib.Path("versions").glob("*.py") if path.name not in keep]' "$UNTIL"
ARG API_COLUMNS=id,name,is_active,parent_id
ENV DEMO_API_BUILT_FOR=${API_COLUMNS}
USER app
EXPOSE 8000
CMD ["uvicorn", "--app-dir", "/app/api", "main:app", "--host", "0.0.0.0", "--port", "8000"]
