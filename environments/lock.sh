#!/usr/bin/env bash
# Usage: lock.sh [--upgrade] [ROW…]. Compiles each ROW.in, or those named, into ROW.txt, with the dependencies that
# pyproject.toml declares.
# shellcheck source=environments/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

compile() {
    local row=$1
    shift
    [ ${#rows[@]} = 0 ] || [[ " ${rows[*]} " == *" $row "* ]] || return 0
    "$uv" pip compile --quiet --universal --python-version "$oldest" --generate-hashes --custom-compile-command "make locks" \
        --override "environments/$overrides.in" -o "environments/$row.txt" "environments/$row.in" "${upgrade[@]}" "$@"
}

upgrade=()
if [ "${1:-}" = --upgrade ]; then
    upgrade=(--upgrade)
    shift
fi
rows=("$@")
overrides=overrides
uv=$(uv_path)
compile tf-latest pyproject.toml --extra demo --extra onnx
compile tf-keras2 pyproject.toml --extra demo
compile tf-2.15 pyproject.toml --extra demo
compile keras-jax pyproject.toml
compile keras-torch pyproject.toml
compile hub pyproject.toml --extra server --extra bucket --extra huggingface --extra kaggle
compile scale pyproject.toml --extra demo --extra ray --extra index
compile no-tf pyproject.toml --extra server --extra bucket --extra migrate
compile docs pyproject.toml
compile release
compile links
compile tools pyproject.toml --extra demo --extra bucket --extra migrate
compile fuzz pyproject.toml --extra publish
compile peer-downloaders
compile peer-tensorflow-hub
compile peer-tensorflowjs
compile models --no-deps
compile uv
overrides=dependents-overrides
for dependent in beam langchain official spacy tensorflowjs textattack; do
    compile "dependents-$dependent" pyproject.toml
done
