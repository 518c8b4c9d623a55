#!/usr/bin/env bash
# Usage: newest.sh ROW [TESTS…]. Runs the tests of a row, or TESTS of it, with the newest releases of all packages,
# whatever ROW.in pins. Works on a copy of the last commit; prints what is newer than in the lock.
# UV_PRERELEASE=allow takes pre-releases too. PYTHON is the Python; it may be the oldest that rehub supports.
"${PYTHON:-python3}" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 10))' && export REHUB_OLDEST_PYTHON=3.10
# shellcheck source=environments/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

row=${1:?usage: newest.sh ROW [TESTS…]}
shift
case $row in
    no-tf | tf-latest | tf-keras2 | keras-jax | keras-torch | hub) ;;
    *) die "'$row' has no newest releases to try; no-tf, tf-latest, tf-keras2, keras-jax, keras-torch and hub have." ;;
esac

copy=$(mktemp -d)
chmod 755 "$copy" # tests of permissions run as another user
trap 'rm -rf "$copy"' EXIT
git -C "$root" archive HEAD | tar -x -C "$copy"
cd "$copy/environments"

# The row's own pins and those of the files that it includes; overrides.in and the lock of uv stay.
for file in "$row.in" testing.in tf-latest.in; do
    sed -E -i 's/^([A-Za-z0-9._-]+)[=>]=[^ ;]+/\1/' "$file"
done
pins() { grep -oE '^[A-Za-z0-9._-]+==[^ ;]+' "$1" | sort; }
pins "$row.txt" >../before
./lock.sh --upgrade "$row"
pins "$row.txt" >../after
[ -z "${REHUB_OLDEST_PYTHON:-}" ] || ./lock.sh peer-tensorflow-hub # what is locked needs a newer Python
echo "=== newer than the lock (< locked, > newest)"
{ diff ../before ../after || true; } | grep '^[<>]' || echo "nothing"

tests=()
for path in "$@"; do tests+=(-t "$path"); done
./run_tests.sh "${tests[@]}" "$row"
