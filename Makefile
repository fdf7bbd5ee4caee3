# riskmodel: `make run` does the main job, `make test` passes the tests. Both install what they need.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
CONFIG ?= configs/demo.yaml
SERVE ?= 1
PORT ?= 8000
WORKERS ?= 1
SEEDS ?= 1 2 3
VENV := .venv
BIN := $(VENV)/bin

# No part of this software reports its use to anybody.
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := true
# Where Python may not keep what it has compiled, each of the hundred processes of the tests compiles all anew.
unexport PYTHONDONTWRITEBYTECODE
# A bureau's own certificates are those of the system.
export UV_SYSTEM_CERTS := true

.PHONY: help run term promote publish rollback serve oulad oulad-proof oulad-recipes uci knowable intake-kills publishing-load publishing-kills validity mutants gates tampering steps indicators-count test lint types unit lock clean docs corpus isolation isolation-timing cluster-proof bench-intake year drifts fit-cost bench growth ledger-proof ledger-years ledger-interrupted relabelling bench-serve bench-sheets bench-allocation bench-indicators payloads fuzz explore

help:  ## show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

# --- installing -------------------------------------------------------------------------------------
# uv installs in seconds; where it cannot be had, pip does the same from the same hashed files.
# A slim machine may lack two Debian packages: the OpenMP runtime that LightGBM's wheel needs, and what Python
# needs to make a virtual environment.
define debian
	{ echo "· installing $(1)"; $(if $(filter 0,$(shell id -u)),,sudo )apt-get update -qq >/dev/null 2>&1; \
	  $(if $(filter 0,$(shell id -u)),,sudo )apt-get install -y -qq --no-install-recommends $(1) >/dev/null 2>&1; }
endef
define install
	@echo "· installing $(1) (once)"
	@ldconfig -p | grep -q 'libgomp\.so\.1' || $(call debian,libgomp1)
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || $(call debian,python3-venv)
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv || true
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r $(1) 2>/dev/null \
	  || { echo "· uv cannot; pip installs the same files, in some minutes"; \
	       $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1); }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
endef

$(VENV)/run.installed: requirements/run.lock pyproject.toml
	$(call install,requirements/run.lock)

$(VENV)/test.installed: requirements/test.lock pyproject.toml
	@command -v git >/dev/null || $(call debian,git)   # a test asks what commit the code is of
	@test -x /usr/sbin/nginx || $(call debian,nginx-light openssl) || true   # a test tries configs/nginx.conf
	@command -v strace >/dev/null || $(call debian,strace) || true   # a test kills at each change of a file
	@command -v systemd-analyze >/dev/null || $(call debian,systemd) || true   # a test reads configs/weekly
	$(call install,requirements/test.lock)

$(VENV)/cluster.installed: requirements/cluster.lock pyproject.toml
	$(call install,requirements/cluster.lock)

$(VENV)/bench.installed: requirements/bench.lock pyproject.toml
	$(call install,requirements/bench.lock)

# --- the main job -----------------------------------------------------------------------------------
run: $(VENV)/run.installed  ## do a term's work (CONFIG=…), then serve (SERVE=0: do not)
	@$(BIN)/riskmodel run --config $(CONFIG) $(if $(filter 0,$(SERVE)),--no-serve,--serve) --port $(PORT)

term: $(VENV)/run.installed  ## prepare a term up to the approval (TERM=2025-2026-2 CONFIG=…)
	@$(BIN)/riskmodel term $(TERM) --config $(CONFIG)

promote: $(VENV)/run.installed  ## two people approve the model that was reported on (FIRST=name SECOND=name)
	@$(BIN)/riskmodel promote --by "$(FIRST)" --by "$(SECOND)" --config $(CONFIG)

publish: $(VENV)/run.installed  ## score the current date and publish
	@$(BIN)/riskmodel publish --config $(CONFIG)

rollback: $(VENV)/run.installed  ## put in its place again what was published before (BY=name)
	@$(BIN)/riskmodel rollback --by "$(BY)" --config $(CONFIG)

serve: $(VENV)/run.installed  ## start the server alone (WORKERS=2)
	@$(BIN)/riskmodel serve --config $(CONFIG) --port $(PORT) --workers $(WORKERS)

oulad: $(VENV)/run.installed  ## the same job on the Open University data (DATA=folder)
	@test -n "$(DATA)" || { echo "请给出数据所在的文件夹 / name the folder of the data: make oulad DATA=folder"; exit 2; }
	@$(BIN)/riskmodel run --config configs/oulad.yaml --data $(DATA) --no-serve

# --- proofs and measurements (benchmarks/README.md) ------------------------------------------------------
oulad-proof: $(VENV)/run.installed  ## proof that nothing after day 56 reaches a score (DATA=folder)
	@test -n "$(DATA)" || { echo "请给出数据所在的文件夹 / name the folder of the data: make oulad-proof DATA=folder"; exit 2; }
	@$(BIN)/python benchmarks/oulad_future.py $(DATA)

oulad-recipes: $(VENV)/run.installed  ## every recipe on the Open University data, side by side (DATA=folder)
	@test -n "$(DATA)" || { echo "请给出数据所在的文件夹 / name the folder of the data: make oulad-recipes DATA=folder"; exit 2; }
	@$(BIN)/python benchmarks/oulad_recipes.py $(DATA)

uci: $(VENV)/bench.installed  ## our recipes beside four common models on tables without time (DATA=folder)
	@test -n "$(DATA)" || { echo "请给出数据所在的文件夹 / name the folder of the data: make uci DATA=folder"; exit 2; }
	@$(BIN)/python benchmarks/uci_tables.py $(DATA) --search 12

knowable: $(VENV)/run.installed  ## how much of what is knowable the model reaches (SEEDS="1 2 3")
	@$(BIN)/python benchmarks/county_knowable.py $(SEEDS)

intake-kills: $(VENV)/run.installed  ## proof that an interrupted intake loses nothing (300 kills, full disks, power)
	@$(BIN)/python benchmarks/intake_interrupted.py

publishing-load: $(VENV)/run.installed  ## 100 publishings under load: no answer mixes two sets; a rollback loses no request
	@$(BIN)/python benchmarks/publishing_under_load.py

publishing-kills: $(VENV)/run.installed  ## publishing killed at every change of a file, on full disks, at random; score, publish, promote killed 300 times
	@command -v strace >/dev/null || $(call debian,strace)
	@$(BIN)/python benchmarks/publishing_interrupted.py
	@$(BIN)/python benchmarks/commands_interrupted.py

PROOFS := tests/validity tests/test_consent.py tests/labels tests/test_splits.py tests/models/test_alarms.py
validity: $(VENV)/test.installed  ## proof that nothing from the future is used, in full (200 worlds)
	@RISKMODEL_VALIDITY=full $(BIN)/pytest -q -n 2 --dist worksteal $(PROOFS)

mutants: $(VENV)/test.installed  ## do the tests notice small changes to features, labels, splits (SAMPLE=…: some)
	@$(BIN)/python benchmarks/mutants.py $(if $(SAMPLE),--sample $(SAMPLE))

gates: $(VENV)/run.installed  ## eleven bad models through the real training: each is refused
	@$(BIN)/python benchmarks/planted_models.py

indicators-count: $(VENV)/test.installed  ## the official figures of 50 counties equal an independent count; planted errors are caught
	@RISKMODEL_INDICATORS=full $(BIN)/pytest -q -n 2 --dist worksteal tests/indicators

ledger-proof: $(VENV)/test.installed  ## 1,000 edits of the stored ledger: each is found
	@RISKMODEL_LEDGER=full $(BIN)/pytest -q -s -n 0 tests/store/test_ledger_edits.py

ledger-years: $(VENV)/test.installed  ## three school years lived day by day in 50 counties: the ledgers equal a clerk's count
	@RISKMODEL_LEDGER=full $(BIN)/pytest -q -s -n 0 tests/ledger/test_school_years.py

ledger-interrupted: $(VENV)/run.installed  ## ledger writers killed at each statement and change of a file, on bad disks, and 300 times at random
	@command -v strace >/dev/null || $(call debian,strace)
	@$(BIN)/python benchmarks/ledger_interrupted.py

relabelling: $(VENV)/run.installed  ## is a school that calls leavers transfers found, and are honest ones at the border left alone
	@$(BIN)/python benchmarks/relabelling.py

bench-indicators: $(VENV)/run.installed  ## official figures and reports of 500,000, beside pandas over the CSV files (STUDENTS=500000)
	@$(BIN)/python benchmarks/indicators_size.py $(or $(FOLDER),workspace-indicators) $(if $(STUDENTS),--students $(STUDENTS))

fuzz: $(VENV)/test.installed  ## 50,000 questions made from the OpenAPI document (CASES=50000)
	@RISKMODEL_FUZZ_CASES=$(or $(CASES),50000) $(BIN)/pytest -q -s -n 0 tests/serve/test_fuzz.py

bench-serve: $(VENV)/test.installed  ## reads, looks, limits beside a bare FastAPI and MLflow's server (STUDENTS=1000000)
	@$(BIN)/python benchmarks/serve_load.py $(if $(STUDENTS),--students $(STUDENTS))

bench-sheets: $(VENV)/test.installed  ## 500 sheets beside headless Chromium and WeasyPrint (SHEETS=500)
	@command -v chromium >/dev/null || $(call debian,chromium)
	@test -x $(VENV)/weasyprint/bin/python || { $(PYTHON) -m venv $(VENV)/weasyprint && $(VENV)/weasyprint/bin/pip install -q weasyprint==70.0; }
	@$(BIN)/python benchmarks/sheets.py --weasyprint $(VENV)/weasyprint/bin/python $(if $(SHEETS),--sheets $(SHEETS))

bench-allocation: $(VENV)/run.installed  ## greedy and linear programme side by side, with the bound (STUDENTS="50000 500000")
	@$(BIN)/python benchmarks/allocation.py $(or $(STUDENTS),50000 500000)

payloads: $(VENV)/test.installed  ## a hundred hostile texts in sheets and lists, HTML ones in a real browser
	@command -v chromium >/dev/null || $(call debian,chromium)
	@$(BIN)/pytest -q -n 0 tests/sheets/test_payloads.py tests/sheets/test_payloads_in_a_browser.py

tampering: $(VENV)/run.installed  ## 10,000 single-byte changes of a model bundle: each is refused
	@$(BIN)/python benchmarks/tampering.py

steps: $(VENV)/run.installed  ## time and memory of each step, at 20,000 and 200,000 students over six years
	@$(BIN)/python benchmarks/county_steps.py $(or $(FOLDER),workspace-steps)

cluster-proof: $(VENV)/test.installed  ## two Dask workers: results of 1, 8, 13 buckets, killed workers, planted bugs
	@RISKMODEL_CLUSTER=full $(BIN)/pytest -q -n 0 tests/runners

isolation: $(VENV)/test.installed  ## proof of who may see what, in full (50,000 cells, a machine of transfers, canaries)
	@RISKMODEL_ISOLATION=full $(BIN)/pytest -q -n 0 tests/isolation

isolation-timing: $(VENV)/test.installed  ## can a foreign child be told from none by the time of the answer
	@$(BIN)/python benchmarks/foreign_timing.py
year: $(VENV)/run.installed  ## a whole school year on a county of 50,000 (YEAR="--students 5000": less; goes on where it stopped)
	@$(BIN)/python benchmarks/year.py $(or $(FOLDER),workspace-year) $(YEAR)

drifts: $(VENV)/run.installed  ## planted drifts that monitor must find, and ordinary terms in which it must be quiet
	@$(BIN)/python benchmarks/drifts.py $(or $(FOLDER),workspace-drifts) --ordinary 201 202 203 204 205 --planted 201

bench: $(VENV)/run.installed  ## features, training, reasons, publishing beside what one would pick instead and beside the least (BENCH="--jobs reasons")
	@$(BIN)/python benchmarks/bench.py $(BENCH)

growth: $(VENV)/run.installed  ## how each step grows with the students; goes on where it stopped (SIZES="2000 5000 10000 20000")
	@$(BIN)/python benchmarks/growth.py $(or $(FOLDER),workspace-growth) $(if $(SIZES),--students $(SIZES))

fit-cost: $(VENV)/run.installed  ## what the fit step costs beside LightGBM, at 500,000 rows
	@$(BIN)/python benchmarks/fit_cost.py

corpus: $(VENV)/test.installed  ## 50 kinds of messy input, 40 seeds each, pairs, clean ones (CORPUS="--seeds 4": less)
	@PYTHONPATH=benchmarks $(BIN)/python -m corpus $(CORPUS)

bench-intake: $(VENV)/test.installed  ## a million rows with 500 faults, beside pandas (ROWS=1000000)
	@$(BIN)/python benchmarks/intake_size.py $(if $(ROWS),--rows $(ROWS))

clean:  ## remove everything a run made
	@rm -rf workspace workspace-*

# --- the tests --------------------------------------------------------------------------------------
test: $(VENV)/test.installed lint types unit  ## all that must pass

lint: $(VENV)/test.installed  ## ruff and the import contracts
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports --no-logo

types: $(VENV)/test.installed  ## mypy, strict
	@$(BIN)/mypy

unit: $(VENV)/test.installed  ## the tests, notebooks included
	@$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

explore: $(VENV)/test.installed  ## the property tests with other examples than those of make test, new ones each time
	@$(BIN)/pytest -n 2 --dist loadfile -m hypothesis --hypothesis-profile explore

# --- keeping ----------------------------------------------------------------------------------------
UV_COMPILE = $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 pyproject.toml

lock: $(VENV)/test.installed  ## renew the hashed requirement files
	@$(UV_COMPILE) --extra build --extra train --extra serve --extra pdf --extra postgresql -o requirements/run.lock
	@$(UV_COMPILE) --extra build --extra train --extra serve --extra pdf --extra postgresql --extra cluster --extra dev -c requirements/run.lock -o requirements/test.lock
	@$(UV_COMPILE) --extra build --extra train --extra serve --extra pdf --extra postgresql --extra bench -c requirements/run.lock -o requirements/bench.lock
	@$(UV_COMPILE) --extra build --extra train --extra serve --extra pdf --extra postgresql --extra cluster -c requirements/run.lock -o requirements/cluster.lock
	@$(UV_COMPILE) --extra build --extra serve --extra pdf -c requirements/run.lock -o requirements/serve.lock

docs: $(VENV)/test.installed  ## renew what is generated from the declarations
	@$(BIN)/python -m riskmodel.features.dictionary > docs/data-dictionary.md
