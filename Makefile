# The front door. Everything runs in .venv, which is made on first use; nothing needs to be activated.

# Only a setting on make's own command line counts: many systems export a LANGUAGE of their own.
setting = $(if $(findstring command line,$(origin $(1))),$($(1)),$(2))
# Not for the programs started here either: some would translate what others read.
unexport LANGUAGE

.DEFAULT_GOAL := help
.NOTPARALLEL:

# Linters and Molecule start Ansible by name, and it finds this collection by its full name.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/collections

VENV := .venv/installed

.PHONY: help
help: ## This list
	@echo 'make TARGET [SETTING=value ...]'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1#\2/p; s/^##$$//p; s/^## \(.*\)/  \1/p' $(firstword $(MAKEFILE_LIST)) | \
		awk -F'#' 'NF > 1 { printf "  %-16s%s\n", $$1, $$2; next } { print }'

.PHONY: venv
venv: $(VENV) ## Make the virtual environment .venv; PYTHON=program chooses its Python

# The newest Python that runs: a version manager's shim may stand for one that is not there, and some systems
# package venv apart.
.venv/bin/python:
	@for python in $(PYTHON) python3.13 python3.12 python3.11 python3; do \
		if "$$python" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "Making .venv with $$("$$python" --version)"; \
			exec "$$python" -m venv --clear .venv; \
		fi; \
	done; \
	echo 'No Python 3.11 or newer with its venv module was found (Debian: apt-get install python3-venv).' >&2; \
	exit 1

$(VENV): requirements.txt requirements-dev.txt $(wildcard demo/requirements.txt) | .venv/bin/python
	@echo 'Installing requirements-dev.txt into .venv'
	@.venv/bin/python -m pip install -qq --disable-pip-version-check -r requirements-dev.txt
	@touch $@

##
## The demo
##   HISTORY=guide|chain|branched        the migrations of the demo application (guide)
##   AT=migration|head                   the revision its database is at (migration)
##   ROLLBACK_TO=REVISION                where to go back to (before the migration)
##   STRATEGY=auto|alembic|manual|restore
##   RUNTIME=host|compose                where the programs run (host); compose needs, or as root installs, Docker
##   PROJECT=DIRECTORY                   the Compose project; one of your own is rolled back as it is
##   LANGUAGE=en|fr                      of what is printed and reported (en)
##   ACCEPT=id,id                        the losses accepted, by the ids the plan prints

comma := ,
extra = $(if $(call setting,$(1)),-e '$(2)=$(call setting,$(1))')

SETTINGS = $(call extra,ROLLBACK_TO,rollback_to_revision) \
	$(call extra,STRATEGY,rollback_strategy) \
	$(call extra,RUNTIME,rollback_runtime) \
	$(if $(call setting,PROJECT),-e 'demo_project=$(abspath $(call setting,PROJECT))') \
	$(call extra,LANGUAGE,rollback_language) \
	$(if $(call setting,ACCEPT),-e '{"rollback_accept": ["$(subst $(comma),"$(comma)",$(call setting,ACCEPT))"]}') \
	-e rollback_confirm=recyclic

ifeq ($(call setting,LANGUAGE),fr)
NO_DEMO := Il n'y a pas encore de démo : make demo
ended = Ce run s'est terminé avant d'écrire $(if $(filter plan,$(1)),son plan,son rapport).
else
NO_DEMO := There is no demo yet: make demo
ended = This run ended before it wrote its $(1).
endif

PLAYBOOK := ansible-playbook -i inventories/demo

# The state builder is told the rollback's settings too, so that demo-again can repeat them.
BUILDER = playbooks/demo$(if $(filter compose,$(call setting,RUNTIME)),_compose).yml
BUILD = mkdir -p .demo && rm -f .demo/demo.yml && $(PLAYBOOK) $(BUILDER) \
	-e 'demo_history=$(call setting,HISTORY,guide)' -e 'demo_at=$(call setting,AT,migration)' $(SETTINGS)

# $(call run,KIND,PLAYBOOK): run it on the state that was built and say last where its report, or plan, is, also
# when it failed. One that was there before is not this run's.
define run
mkdir -p .demo && touch .demo/started; \
$(PLAYBOOK) playbooks/$(2) -e @.demo/demo.yml $(SETTINGS); status=$$?; \
if [ -n "$$(find -L reports/latest -maxdepth 1 -name $(1).json -newer .demo/started 2>/dev/null)" ]; then \
	echo "$(1): $$(cd -P reports/latest && pwd)/$(1).json"; \
else \
	echo "$(call ended,$(1))" >&2; [ $$status -ne 0 ] || status=1; \
fi; \
exit $$status
endef

.PHONY: demo
demo: $(VENV) ## Build the demo's state afresh, then roll its migration back; last line: report: PATH
	@$(BUILD)
	@$(call run,report,rollback.yml)

.PHONY: demo-again
demo-again: $(VENV) ## The same rollback once more, on the database the last demo left
	@[ -e .demo/demo.yml ] || { echo "$(NO_DEMO)" >&2; exit 1; }
	@$(call run,report,rollback.yml)

.PHONY: demo-plan
demo-plan: $(VENV) ## Build the demo's state afresh and only plan its rollback; last line: plan: PATH
	@$(BUILD)
	@$(call run,plan,plan.yml)

.PHONY: demo-psql
demo-psql: $(VENV) ## Open psql on the demo's database
	@.venv/bin/python demo/psql.py

.PHONY: demo-clean
demo-clean: ## Stop the demo's server and stack; remove .demo and reports
	@[ ! -d .demo/server ] || .venv/bin/python demo/server.py destroy --dir .demo/server
	@[ ! -e .demo/compose/stack.json ] || .venv/bin/python demo/compose/stack.py down --dir .demo/compose
	rm -rf .demo reports

##
## Development

# Says which real programs the stage that follows runs against.
STAGE = @.venv/bin/python tests/components.py

.PHONY: test
test: engine exporters browser side-by-side test-pytest ## Everything: linters, ansible-test, Molecule, pytest

# For long stretches either keeps one core busy. What the others say is shown when Molecule has ended.
.PHONY: side-by-side
side-by-side: $(VENV)
	@mkdir -p .cache; $(MAKE) --no-print-directory lint sanity test-oldest >.cache/checks.log 2>&1 & checks=$$!; \
		$(MAKE) --no-print-directory test-molecule; molecule=$$?; \
		wait $$checks; checks=$$?; cat .cache/checks.log; exit $$((molecule || checks))

# In CI an engine has to be there; on a laptop without one (status 3), what needs it is skipped, and says so.
.PHONY: engine
engine: $(VENV) ## A Docker engine with Compose and the demo's images: installed where root can, otherwise only looked for
	@.venv/bin/python demo/compose/engine.py ensure && .venv/bin/python demo/compose/engine.py build; status=$$?; \
		[ $$status -ne 0 ] || exit 0; \
		[ $$status -eq 3 ] && [ -z "$$CI" ] || exit $$status; \
		echo '==> SKIPPED without a Docker engine: Molecule compose, tests/compose, the variants of' \
			'tests/integration in Compose' >&2

# The same for what watches: nothing of it is installed or started, see there.
.PHONY: exporters
exporters: $(VENV) ## Prometheus, its exporters and Alertmanager for the tests, unpacked below .cache
	@.venv/bin/python tests/exporters.py ensure || \
		{ [ -z "$$CI" ] && echo '==> SKIPPED without Prometheus and its exporters: tests/integration/test_monitoring.py' >&2; }

# The same holds for the browser in which reports are looked at.
.PHONY: browser
browser: $(VENV) ## A Chromium: installed where root can, otherwise only looked for
	@.venv/bin/python tests/browser.py ensure || \
		{ [ -z "$$CI" ] && echo '==> SKIPPED without a Chromium: the reports, looked at in a browser' >&2; }

.PHONY: test-unit
test-unit: $(VENV) ## Unit tests only
	$(STAGE) 'unit tests'
	@pytest tests/unit $(PYTEST_ARGS)

.PHONY: test-pytest
test-pytest: $(VENV) ## Unit, demo and integration tests; PYTEST_ARGS='-k word' is passed on
	$(STAGE) 'pytest: unit, demo, integration, compose'
	@pytest -n auto --dist loadgroup $(PYTEST_ARGS)

# The application's environment is not ours: it may hold the oldest Alembic we support.
OLDEST := .cache/alembic-1.12/bin/python

$(OLDEST): | $(VENV)
	@.venv/bin/python -m venv --clear .cache/alembic-1.12
	@$(OLDEST) -m pip install -qq --disable-pip-version-check 'alembic==1.12.*' psycopg2-binary

# In Compose Alembic is the image's, whatever this one is.
.PHONY: test-oldest
test-oldest: $(OLDEST) ## What touches Alembic once more, against the oldest one supported
	$(STAGE) "Alembic $$($(OLDEST) -c 'import alembic; print(alembic.__version__)')"
	@DEMO_PYTHON='$(CURDIR)/$(OLDEST)' pytest -n auto tests/demo/test_demo_histories.py \
		tests/integration/test_module_alembic_info.py tests/integration/test_module_alembic_migrate.py \
		-k 'not compose' $(PYTEST_ARGS)

.PHONY: test-molecule
test-molecule: $(VENV) ## Molecule's scenarios: default, fleet, and compose where there is an engine
	$(STAGE) 'Molecule: default, fleet'
	@molecule test --scenario-name default
	@molecule test --scenario-name fleet
	@if docker info >/dev/null 2>&1 || [ -n "$$CI" ]; then \
		.venv/bin/python tests/components.py 'Molecule: compose' && molecule test --scenario-name compose; \
	else \
		echo '==> SKIPPED without a Docker engine: Molecule compose' >&2; \
	fi

.PHONY: sanity
sanity: $(VENV) ## ansible-test sanity, without Docker
	$(STAGE) 'ansible-test sanity'
	@.venv/bin/python tests/sanity.py sanity

.PHONY: lint
lint: $(VENV) ## Linters: yamllint, ruff, mypy, ansible-lint, changelog fragments
	$(STAGE) 'linters'
	yamllint --strict .
	ruff check
	mypy
	ansible-lint
	antsibull-changelog lint

.PHONY: bench
bench: $(VENV) ## Benchmarks
	$(STAGE) 'benchmarks'
	@.venv/bin/python benchmarks/run.py
	@.venv/bin/python benchmarks/fleet.py

# docs/execution-environment.md
.PHONY: ee
ee: $(VENV) ## The image in which AWX and ansible-navigator run the playbooks: recyclic-rollback-ee
	@.venv/bin/python execution-environment/build.py

.PHONY: build
build: $(VENV) ## Build the collection's tarball into build/
	ansible-galaxy collection build --force --output-path build

.PHONY: changelog
changelog: $(VENV) ## Collect the fragments into CHANGELOG.md as the release that galaxy.yml names
	antsibull-changelog release

.PHONY: clean
clean: ## Remove what tests and builds left; .venv, .demo and reports stay
	rm -rf .ansible .cache build tests/output
