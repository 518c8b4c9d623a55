#!/usr/bin/env bash
# Usage: run_dependents.sh [DEPENDENT…]. Runs the programs of others that import tensorflow_hub on rehub, each in an
# environment of its own; all of them if none is named. The slow row of tests: it installs some GB when first run.
# shellcheck source=environments/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

[ $# -gt 0 ] || set -- langchain spacy tensorflowjs beam official textattack
driver=$("$here/make_env.sh" tf-latest)
environments=()
for dependent in "$@"; do
    environments+=("$dependent=$("$here/make_env.sh" "dependents-$dependent")")
done
REHUB_DEPENDENTS="${environments[*]}" PYTHONPATH=src TF_CPP_MIN_LOG_LEVEL=2 \
    "$driver/bin/python" -m pytest -n 0 -v --timeout 1800 --durations 0 --durations-min 1 tests/dependents
