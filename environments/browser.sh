#!/usr/bin/env bash
# Usage: browser.sh. Makes sure that this machine has Chromium, and prints the file of axe-core, which looks for what
# keeps people out of a page. Chromium is a package of Debian and Ubuntu; axe-core comes from the npm registry, locked in
# tests/hub/pages, into the cache folder.
# shellcheck source=environments/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if ! command -v chromium >/dev/null; then
    command -v apt-get >/dev/null || die "the tests of pages need Chromium, as 'chromium' on the PATH. Install it."
    root_by=()
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || die "the tests of pages need Chromium. As root, run: apt-get install chromium"
        root_by=(sudo)
    fi
    {
        "${root_by[@]}" apt-get update --quiet \
            && DEBIAN_FRONTEND=noninteractive "${root_by[@]}" apt-get install --quiet --yes --no-install-recommends chromium
    } >&2 || die "Chromium could not be installed; the output above says why. By hand: apt-get install chromium"
fi
command -v npm >/dev/null || die "the tests of pages need axe-core, which npm installs. Install Node.js with npm."

pages=$root/tests/hub/pages
new_axe() {
    mkdir "$1" && cp "$pages/package.json" "$pages/package-lock.json" "$1" \
        && npm ci --prefix "$1" --ignore-scripts --no-audit --no-fund --loglevel error
}

axe=$cache/axe-$(key_of "$pages/package-lock.json")
install_as "$axe" new_axe
echo "$axe/node_modules/axe-core/axe.min.js"
