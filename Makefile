# `make` alone lists what there is. Environments are made on first use, in a cache folder of the user.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

ROWS := no-tf tf-latest tf-keras2 tf-2.15 keras-jax keras-torch hub scale
env = $$(environments/make_env.sh $(1))

.PHONY: help
help: ## List the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 26
	@echo "  make test-ROW           Test one row: $(ROWS)"

.PHONY: demo
demo: ## Load a real model from a hub, train, fine-tune and re-export it; writes demo-output/
	@env=$(call env,tf-latest); PYTHONPATH=src "$$env/bin/python" -m rehub demo

.PHONY: test
test: ## Every row, then the site, the linters and the distributions: what has to pass before a change lands
	@environments/run_tests.sh $(ROWS) docs lint dist

.PHONY: test-all
test-all: ## The same with the slow tests
	@environments/run_tests.sh -m "" $(ROWS) docs lint dist

.PHONY: $(ROWS:%=test-%)
$(ROWS:%=test-%): test-%:
	@environments/run_tests.sh $*

.PHONY: lint
lint: ## ruff, mypy and import-linter
	@environments/run_tests.sh lint

.PHONY: format
format: ## Let ruff format and fix the code
	@env=$(call env,tools); "$$env/bin/ruff" format . && "$$env/bin/ruff" check --fix .

.PHONY: benchmark
benchmark: ## Measure the claims of BENCHMARKS.md beside the peers; NAMES="cold_resolve …" for some of them
	@env=$(call env,tf-latest); keras2=$(call env,tf-keras2); peer=$(call env,peer-tensorflow-hub); tf215=$(call env,tf-2.15); \
	jax=$(call env,keras-jax); torch=$(call env,keras-torch); downloaders=$(call env,peer-downloaders); scale=$(call env,scale); \
	REHUB_DOWNLOADERS_PYTHON="$$downloaders/bin/python" REHUB_SCALE_PYTHON="$$scale/bin/python" \
	REHUB_KERAS_JAX_PYTHON="$$jax/bin/python" REHUB_KERAS_TORCH_PYTHON="$$torch/bin/python" \
	REHUB_KERAS2_PYTHON="$$keras2/bin/python" REHUB_PEER_PYTHON="$$peer/bin/python" \
	REHUB_TF215_PYTHON="$$tf215/bin/python" PYTHONPATH=src "$$env/bin/python" -m benchmarks $(NAMES)

.PHONY: dist
dist: ## Build the wheel and the sdist, twice, and try them where nothing else is installed; writes dist/
	@environments/run_tests.sh dist

.PHONY: fuzz
fuzz: ## Feed damaged and hostile files to all readers for FUZZ_SECONDS (600); writes fuzz-output/
	@env=$(call env,fuzz); PYTHONPATH=src "$$env/bin/python" -m fuzz --seconds $${FUZZ_SECONDS:-600} --seed $${FUZZ_SEED:-0}

.PHONY: soak
soak: ## Load, kill, clean and fill one cache folder with 16 processes for SOAK_SECONDS (600)
	@env=$(call env,no-tf); PYTHONPATH=src "$$env/bin/python" -m soak --seconds $${SOAK_SECONDS:-600}

.PHONY: dependents
dependents: ## Run programs of others, written for tensorflow_hub, on rehub; NAMES="langchain beam …" for some of them
	@environments/run_dependents.sh $(NAMES)

.PHONY: docs
docs: ## Build the site into build/site; any warning is an error, links are checked
	@environments/run_tests.sh docs

.PHONY: links
links: docs ## Fetch what the site links to elsewhere; needs a network
	@env=$(call env,links); find build/site -name '*.html' -print0 \
	| xargs -0 "$$env/bin/linkchecker" --no-status --no-warnings --check-extern --recursion-level 1

.PHONY: notebooks
notebooks: ## Run the notebooks, and keep in them what comes out; NAMES="notebooks/semantic_search.ipynb …" for some of them
	@env=$(call env,scale); "$$env/bin/python" scripts/run_notebooks.py $(NAMES)

.PHONY: locks
locks: ## Compile environments/*.in into the locked *.txt
	@environments/lock.sh
