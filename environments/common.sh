# Sourced by the scripts beside it: where things live, and how a folder of the cache is made whole or not at all.
# shellcheck shell=bash

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
python=${PYTHON:-python3}

die() {
    echo "rehub: $*" >&2
    exit 1
}

oldest=${REHUB_OLDEST_PYTHON:-3.11} # that the locks are for; newest.sh makes locks for an older one
command -v "$python" >/dev/null || die "'$python' is not installed. Install Python $oldest or newer, or set PYTHON to one."
"$python" -c 'import sys; sys.exit(sys.version_info < tuple(map(int, sys.argv[1].split("."))))' "$oldest" \
    || die "'$python' is $("$python" --version 2>&1 || echo broken). The environments need Python $oldest or newer; set PYTHON to one."

if [ -n "${XDG_CACHE_HOME:-}" ]; then
    cache=$XDG_CACHE_HOME/rehub-dev
elif [ -n "${HOME:-}" ]; then
    cache=$HOME/.cache/rehub-dev
else
    die "neither HOME nor XDG_CACHE_HOME is set, so there is no folder for the environments. Set XDG_CACHE_HOME to one."
fi
mkdir -p "$cache/envs" 2>/dev/null && [ -w "$cache/envs" ] \
    || die "cannot write to '$cache'. Set XDG_CACHE_HOME to a folder that can be written."

# One key for what decides how an environment comes out: the Python that it links to, and the files named.
key_of() {
    { "$python" -c 'import platform, sys; print(sys.version, sys.base_prefix, platform.machine())'; cat "$@"; } \
        | "$python" -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest()[:16])'
}

# install_as FINAL COMMAND…: runs COMMAND with a temporary folder as its last argument, then renames that folder to
# FINAL. Whoever renames first wins; a second make that built the same throws its own away.
install_as() {
    local final=$1 building
    shift
    [ -d "$final" ] && return
    building=$(mktemp -d "$cache/building.XXXXXX")
    # shellcheck disable=SC2064 # the folder of now
    trap "rm -rf '$building'" EXIT
    "$@" "$building/new" >&2 || die "could not make '$final'; the output above says why."
    "$python" - "$building/new" "$final" <<'PYTHON'
import os, sys
try:
    os.rename(*sys.argv[1:])
except OSError:
    if not os.path.isdir(sys.argv[2]):
        raise
PYTHON
    rm -rf "$building"
    trap - EXIT
}

# need PROGRAM PACKAGE WHO: installs a package of Debian and Ubuntu by apt-get, unless its program is there.
need() {
    local program=$1 package=$2 who=$3 root_by=()
    PATH=$PATH:/usr/sbin command -v "$program" >/dev/null && return
    command -v apt-get >/dev/null || die "$who need '$program' on the PATH. Install it."
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || die "$who need '$program'. As root, run: apt-get install $package"
        root_by=(sudo)
    fi
    {
        "${root_by[@]}" apt-get update --quiet \
            && "${root_by[@]}" env DEBIAN_FRONTEND=noninteractive \
                apt-get install --quiet --yes --no-install-recommends "$package"
    } >&2 || die "'$program' could not be installed; the output above says why. By hand: apt-get install $package"
}

new_uv() {
    "$python" -m venv "$1" || die "'$python -m venv' failed; Debian and Ubuntu have it in the package python3-venv."
    "$1/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$here/uv.txt"
}

# Prints the path of the pinned uv, installed into a folder of its own on first use.
uv_path() {
    local home
    home=$cache/uv-$(key_of "$here/uv.txt")
    install_as "$home" new_uv
    echo "$home/bin/uv"
}
