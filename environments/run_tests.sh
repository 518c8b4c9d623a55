#!/usr/bin/env bash
# Usage: run_tests.sh [-m MARKERS] [-t TESTS] ROW… Runs each row (also "lint", "docs", which is the site, and "dist", which
# is what is released) to its end, whatever the others do, then prints one line per row and the closing lines of pytest.
# Exits with 1 if a row failed. TESTS is a file or folder.
# shellcheck source=environments/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

markers="not slow"
if [ "${1:-}" = -m ]; then
    markers=$2
    shift 2
fi
tests=()
while [ "${1:-}" = -t ]; do
    tests+=("$2")
    shift 2
done
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# All run in a condition, where bash ignores `set -e`; hence each || of theirs.
run_linters() {
    local env failed=0
    env=$("$here/make_env.sh" tools) || return
    "$env/bin/ruff" check . || failed=1
    "$env/bin/ruff" format --check . || failed=1
    "$env/bin/mypy" || failed=1
    PYTHONPATH=src "$env/bin/lint-imports" || failed=1
    return $failed
}

build_site() {
    local env
    env=$("$here/make_env.sh" docs) || return
    PYTHONPATH=src NO_MKDOCS_2_WARNING=true "$env/bin/mkdocs" build --strict
}

build_distributions() {
    local env tests
    env=$("$here/make_env.sh" release) || return
    tests=$("$here/make_env.sh" no-tf) || return
    "$env/bin/python" scripts/build_distributions.py --test-python "$tests/bin/python"
}

run_pytest() {
    local row=$1 env peer='' tfjs='' scope=() status=0
    env=$("$here/make_env.sh" "$row") || return
    # Rows of Keras on another backend compare nothing with the peer.
    case $row in keras-* | scale) ;; *) peer=$("$here/make_env.sh" peer-tensorflow-hub) || return ;; esac
    # What needs no TensorFlow is the same in every row, and runs once, in the row that has none.
    case $row in tf-*) scope=(--only-tensorflow) ;; keras-*) scope=(--only-backend) ;; hub) scope=(tests/hub) ;; scale) scope=(tests/batch tests/index tests/notebooks) ;; esac
    case $row in hub) "$here/browser.sh" >/dev/null && "$here/nginx.sh" || return ;; esac
    scope+=("${tests[@]}")
    case $row in
        tf-keras2) export TF_USE_LEGACY_KERAS=1 ;;
        keras-*) export KERAS_BACKEND=${row#keras-} ;;
    esac
    # A large environment, which slow tests alone use.
    [ "$markers" = "not slow" ] || [ "$row" = hub ] || [ "$row" = scale ] || tfjs=$("$here/make_env.sh" peer-tensorflowjs) || return
    REHUB_PEER_PYTHON=${peer:+$peer/bin/python} REHUB_TENSORFLOWJS=${tfjs:+$tfjs/bin} PYTHONPATH=src TF_CPP_MIN_LOG_LEVEL=2 \
        "$env/bin/python" -m pytest -n 2 --dist loadfile --timeout 900 -m "$markers" "${scope[@]}" || status=$?
    # 5: nothing was collected, which is right for a row without slow tests.
    [ "$status" = 5 ] && [ "$markers" = slow ] && return 0
    return $status
}

failed=0
summary=()
for row in "$@"; do
    echo "=== $row"
    began=$SECONDS
    result=passed
    case $row in
        lint) run_linters || result=FAILED ;;
        docs) build_site || result=FAILED ;;
        dist) build_distributions || result=FAILED ;;
        *) (run_pytest "$row") </dev/null 2>&1 | tee "$logs/$row" || result=FAILED ;;
    esac
    [ $result = passed ] || failed=1
    summary+=("$(printf '%-24s %-8s %4d s' "$row" "$result" $((SECONDS - began)))")
done

echo
echo "=== rows"
printf '%s\n' "${summary[@]}"
for row in "$@"; do
    [ ! -f "$logs/$row" ] || tail -n 1 "$logs/$row"
done
exit $failed
