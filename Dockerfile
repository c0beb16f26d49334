# Matinee as an image: every role is a command of the same `matinee`. docs/deployment.md tells how to run it.

ARG PYTHON=3.13-slim-trixie

FROM python:${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build

# What builds, then what runs, exactly as locked. Both come before the sources: a change of ours costs neither.
COPY requirements-build.lock requirements-server.lock ./
RUN pip install --require-hashes --no-deps -r requirements-build.lock \
    && pip wheel --require-hashes --no-deps --no-build-isolation --wheel-dir wheels -r requirements-server.lock \
    && python -m venv --without-pip /opt/matinee \
    && pip --python /opt/matinee install --no-index --no-deps wheels/*.whl

COPY pyproject.toml README.md LICENSE ./
COPY domain domain
COPY application application
COPY adapters adapters
COPY entrypoints entrypoints
RUN pip wheel --no-index --no-deps --no-build-isolation --wheel-dir dist . \
    && pip --python /opt/matinee install --no-index --no-deps dist/*.whl


FROM python:${PYTHON}
LABEL org.opencontainers.image.title="Matinee" \
      org.opencontainers.image.description="A self-hostable movie service" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="MIT"

# The base brings pip and what would install it; nothing is to be installed here any more.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3.*/ensurepip /usr/local/lib/python3.*/site-packages/pip*

# A number, so that a host can be told who owns the files; nobody can log in as it.
RUN groupadd --system --gid 10001 matinee \
    && useradd --system --uid 10001 --gid matinee --no-create-home --home-dir /data --shell /usr/sbin/nologin matinee \
    && install --directory --owner=matinee --group=matinee --mode=700 /data
COPY --from=build /opt/matinee /opt/matinee

# All that is ever written is below /data and /tmp, so the rest may be mounted read-only.
ENV PATH=/opt/matinee/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8080 \
    DATA_DIR=/data
WORKDIR /data
USER 10001:10001
VOLUME /data
EXPOSE 8080

# For `serve` and `api`; other roles have no port to ask. A first start may fill its catalogue for minutes.
HEALTHCHECK --interval=10s --timeout=5s --start-period=5m \
    CMD ["python", "-Ic", "import http.client as h, os, sys; c = h.HTTPConnection('127.0.0.1', int(os.environ.get('PORT') or 8080), timeout=4); c.request('GET', '/api/v1/health/live'); sys.exit(c.getresponse().status != 200)"]

# SIGTERM, which is what `docker stop` sends, ends every role in order.
ENTRYPOINT ["matinee"]
CMD ["serve"]
