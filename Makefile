# make demo: see it work on this machine.   make test: run every check.   make help: the rest.

SHELL := /bin/bash
VENV ?= .venv
BIN := $(VENV)/bin
PREPARE := VENV=$(VENV) .ci/prepare
GUESTS := ip=iproute2 mkfs.ext4=e2fsprogs
SLURM := munged=munge slurmctld=slurmctld slurmd=slurmd sbatch=slurm-client
TORQUE := qsub=slurm-wlm-torque
REMOTE := sshd=openssh-server ssh=openssh-client rsync=rsync
COMPILER := gcc=gcc gcc=libc6-dev
# Most tests wait most of the time. Files that take longest begin first.
SIDE_BY_SIDE := -n 4 --dist loadfile --no-loadscope-reorder
CHECKED := distribute_compute_config spoold nodewatch cluster distribute_cli tests bench examples

.PHONY: help demo test check lint types layers unit coverage nfs docs bench chaos clean distclean
.DEFAULT_GOAL := help

help:
	@echo 'make demo       run the example on a cluster of this machine alone'
	@echo 'make test       install all that the tests need, and run every check'
	@echo 'make nfs        real daemons on real NFS clients, at length: some ten minutes'
	@echo 'make coverage   the tests once more, counting which lines they run'
	@echo 'make lint       ruff, mypy and the layering only'
	@echo 'make docs       build the documentation into site/'
	@echo 'make chaos      kill and freeze daemons at random for ten minutes, then check that nothing is lost'
	@echo 'make bench      measure how fast jobs are dispatched'
	@echo 'make clean      remove what was built; make distclean: $(VENV) too'

# A stamp for each set of dependencies, so that nothing is installed twice.
$(VENV)/.made:
	$(PREPARE) venv
	@touch $@

$(VENV)/.made-%: pyproject.toml
	$(PREPARE) venv $*
	@touch $@ $(VENV)/.made

demo: $(VENV)/.made
	@$(PREPARE) packages $(COMPILER)
	@$(BIN)/distribute demo

# Not by its groups: no dependency of the project, nor of its tests.
$(VENV)/tools/synapse/.made: tests/lab/synapse/requirements.txt | $(VENV)/.made
	@$(PREPARE) tool synapse $<

test: $(VENV)/.made-test $(VENV)/tools/synapse/.made
	@$(PREPARE) packages $(COMPILER)
	@$(PREPARE) extras bindfs=bindfs $(GUESTS) $(SLURM) $(TORQUE) $(REMOTE)
	@$(PREPARE) apptainer
	@$(MAKE) --no-print-directory check

check: lint unit

lint: $(VENV)/.made-test
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/ruff format --check $(CHECKED)
	@$(MAKE) --no-print-directory types layers

types: $(VENV)/.made-test
	$(BIN)/mypy

layers: $(VENV)/.made-test
	$(BIN)/lint-imports

unit: $(VENV)/.made-test
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(PYTEST)

# Counting lines takes as long as the tests themselves.
coverage: $(VENV)/.made-test
	@$(MAKE) --no-print-directory unit PYTEST="--cov --cov-report=term:skip-covered $(PYTEST)"

nfs: $(VENV)/.made-test
	@$(PREPARE) extras $(GUESTS)
	$(BIN)/python -m pytest tests/nfs -m "" $(PYTEST)

docs: $(VENV)/.made-docs
	$(BIN)/mkdocs build --strict

bench: $(VENV)/.made-bench
	@$(PREPARE) extras xargs=findutils parallel=parallel tsp=task-spooler strace=strace
	$(BIN)/python bench/dispatch.py $(BENCH)

chaos: $(VENV)/.made-test
	$(BIN)/python -m tests.chaos $(CHAOS)

clean:
	rm -rf build dist site demo .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV) .nfs-bed .nfs-bed.lock *.egg-info
