# Two commands for a newcomer: `make run` does the main job, `make test` runs every test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: run test lint dev bench system-packages clean

run: $(VENV)/installed-run
	$(BIN)/chimera keys init --quiet
	$(BIN)/chimera run data/documents/h2_vqe.maml.md --dagster --all-partitions
	$(BIN)/chimera verify data/documents/h2_vqe.maml.md
	@echo "See it in the web UI: $(BIN)/chimera dev"

test: $(VENV)/installed-test system-packages
	$(BIN)/python -m pytest -n 2 --dist loadgroup

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

dev: $(VENV)/installed-run
	$(BIN)/chimera dev

bench: $(VENV)/installed-test
	for file in benchmarks/[a-z]*.py; do $(BIN)/python -m benchmarks.$$(basename $$file .py) || exit 1; done

# On all cores, where pip takes one; like pip it lets what does not compile be: some packages hold
# files for later Pythons.
COMPILE = $(BIN)/python -m compileall -qq -j 0 $(VENV)/lib/python3*/site-packages || true

# Chromium for the browser test, bubblewrap for the strongest sandbox tier, Prometheus and PostgreSQL
# for the tests that start them; tests say so and are skipped where these cannot be installed.
system-packages:
	@tools/system-packages

$(VENV)/installed-run: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable '.[cpu]'
	$(BIN)/python -m compileall -q chimera_pipelines
	@$(COMPILE)
	touch $@

$(VENV)/installed-test: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable '.[cpu,dev]'
	$(BIN)/python -m compileall -q chimera_pipelines
	@$(COMPILE)
	touch $@ $(VENV)/installed-run

clean:
	rm -rf $(VENV)
