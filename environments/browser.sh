#!/usr/bin/env bash
# Usage: browser.sh. Makes sure that this machine has Chromium, and prints the file of axe-core, which looks for what
# keeps people out of a page. Chromium is a package of Debian and Ubuntu; axe-core comes from the npm registry, locked in
# tests/hub/pages, into the cache folder.
# shellcheck source=environments/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

need chromium chromium "the tests of pages"
command -v npm >/dev/null || die "the tests of pages need axe-core, which npm installs. Install Node.js with npm."

pages=$root/tests/hub/pages
new_axe() {
    mkdir "$1" && cp "$pages/package.json" "$pages/package-lock.json" "$1" \
        && npm ci --prefix "$1" --ignore-scripts --no-audit --no-fund --loglevel error
}

axe=$cache/axe-$(key_of "$pages/package-lock.json")
install_as "$axe" new_axe
echo "$axe/node_modules/axe-core/axe.min.js"
