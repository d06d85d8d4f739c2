# samplemind as a service: docs/api.md says how to run it.

FROM python:3.13-slim-trixie AS build

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY . .
# Only wheels: the image needs no compiler, and what they bundle is in THIRD_PARTY_NOTICES.md.
RUN python -m venv /opt/samplemind \
    && pip wheel --no-deps --wheel-dir /wheels . \
    && /opt/samplemind/bin/pip install --only-binary=:all: "$(ls /wheels/samplemind-*.whl)[service,postgres,redis,cluster]"


FROM python:3.13-slim-trixie

LABEL org.opencontainers.image.title="samplemind" \
      org.opencontainers.image.description="Audio in, answers out: tempo, key, loudness and timbre of any sound file, over HTTP." \
      org.opencontainers.image.licenses="MIT"

# Numbers, so that an orchestrator can see that it is not root.
RUN groupadd --gid 10001 samplemind \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin samplemind \
    && install --directory --owner=10001 --group=10001 --mode=0750 /data /cache

COPY --from=build /opt/samplemind /opt/samplemind
COPY LICENSE THIRD_PARTY_NOTICES.md /usr/share/doc/samplemind/

# Compiled kernels and caches of Dask's workers go to /cache: a volume keeps them.
ENV PATH=/opt/samplemind/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    SAMPLEMIND_DATA_DIR=/data \
    SAMPLEMIND_CACHE_DIR=/cache \
    NUMBA_CACHE_DIR=/cache/numba

USER 10001:10001
WORKDIR /data
VOLUME ["/data", "/cache"]
EXPOSE 8000
STOPSIGNAL SIGTERM

HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]

ENTRYPOINT ["samplemind"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
