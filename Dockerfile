# The production image: one for every process, which compose names by its command.
FROM python:3.13-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /venv
COPY requirements/base.txt /tmp/base.txt
RUN /venv/bin/pip install --require-hashes --no-deps -r /tmp/base.txt

FROM python:3.13-slim
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=config.settings.production
RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent celeriac \
    && install --directory --owner=celeriac --mode=0700 /var/lib/celeriac
COPY --from=build /venv /venv
WORKDIR /app
COPY manage.py flowerconfig.py ./
COPY config config
COPY tasks tasks
COPY apps apps
COPY celeriac celeriac
# Static files are part of the image. The values only satisfy the settings; none of them is kept.
RUN SECRET_KEY=only-for-collectstatic-0123456789-0123456789-0123456789 ALLOWED_HOSTS=localhost \
    DATABASE_URL=postgres://localhost/none BROKER_URL=redis://localhost CACHE_URL=redis://localhost \
    python manage.py collectstatic --noinput
USER celeriac
EXPOSE 8000
CMD ["python", "-m", "config.web", "--bind=0.0.0.0:8000"]
