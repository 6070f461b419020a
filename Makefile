# Two commands: `make repro` (films in, two compared models out) and `make test` (everything that is checked).
VENV := .venv
PYTHON ?= python3
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: env repro test ui lock clean

env: $(VENV)/ready  # the environment alone

repro: $(VENV)/ready
	python src/hilum check
	dvc repro
	python src/hilum publish

test: $(VENV)/ready
	ruff check
	ruff format --check
	mypy
	python -m pytest

ui: $(VENV)/ready
	mlflow ui --backend-store-uri sqlite:///mlflow.db --port 5000

$(VENV)/ready: requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install -q uv==0.13.8
	$(VENV)/bin/uv pip install -q --compile-bytecode --python $(VENV)/bin/python -r requirements.lock
	$(VENV)/bin/uv pip install -q --python $(VENV)/bin/python --no-deps -e .
	touch $@

lock: $(VENV)/ready
	uv pip compile -q --universal --python-version 3.11 --no-annotate --no-header pyproject.toml --extra imagenet --group dev -o requirements.lock
	{ printf 'name: hilum\nchannels: [conda-forge]\ndependencies:\n  - python=3.11\n  - pip\n  - pip:\n'; \
	  sed 's/.*/      - "&"/' requirements.lock; } > conda.yaml

clean:
	rm -rf $(VENV) data results mlruns mlflow.db .hilum .dvc/tmp .dvc/cache
