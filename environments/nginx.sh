#!/usr/bin/env bash
# Usage: nginx.sh. Makes sure that this machine has nginx, a package of Debian and Ubuntu. Tests run the blocks of its
# configuration that documents show.
# shellcheck source=environments/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

need nginx nginx-light "the tests of hosting"
