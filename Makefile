# Two commands: `make repro` (films in, two compared models out) and `make test` (everything that is checked).
VENV := .venv
PYTHON ?= python3
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: env dev repro test ui app lock clean

env: $(VENV)/ready  # the environment alone: what `make repro` needs

dev: $(VENV)/dev  # the same with all extras and what `make test` needs

repro: $(VENV)/ready
	python src/hilum check
	dvc repro
	python src/hilum publish

test: $(VENV)/dev
	ruff check
	ruff format --check
	mypy
	python -m pytest -n 2 --dist loadfile  # all tests of a file in one process

ui: $(VENV)/ready
	python src/hilum ui

app: $(VENV)/ready  # with the extra `app`, which `make dev` installs too
	python -c "import streamlit" 2>/dev/null || uv pip install -q --python $(VENV)/bin/python -c requirements-dev.lock streamlit
	python src/hilum app

$(VENV)/ready: requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install -q uv==0.13.8
	$(VENV)/bin/uv pip install -q --compile-bytecode --python $(VENV)/bin/python -r requirements.lock
	$(VENV)/bin/uv pip install -q --python $(VENV)/bin/python --no-deps -e .
	touch $@

$(VENV)/dev: $(VENV)/ready requirements-dev.lock
	$(VENV)/bin/uv pip install -q --compile-bytecode --python $(VENV)/bin/python -r requirements-dev.lock
	touch $@

# Two locks from pyproject.toml, the second a superset of the first, and the first once more as conda.yaml.
COMPILE := uv pip compile -q --universal --python-version 3.11 --no-annotate --no-header pyproject.toml
lock: $(VENV)/ready
	$(COMPILE) -o requirements.lock
	$(COMPILE) -c requirements.lock --group dev --all-extras -o requirements-dev.lock
	{ printf 'name: hilum\nchannels: [conda-forge]\ndependencies:\n  - python=3.11\n  - pip\n  - pip:\n'; \
	  sed 's/.*/      - "&"/' requirements.lock; } > conda.yaml

clean:
	rm -rf $(VENV) data results mlruns mlflow.db .hilum .dvc/tmp .dvc/cache
