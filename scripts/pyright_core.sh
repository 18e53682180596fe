#!/usr/bin/env bash
# pyright, strict on optlab/core: the number of errors may only fall. The allowed number is the one in
# this file; when the count is lower, lower it here.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
allowed=0

pyright=${OPTLAB_VENV:-.venv}/bin/pyright
# pyright runs on Node and fetches its own program once; without either it cannot start.
if ! timeout 120 "$pyright" --version >/dev/null 2>&1; then
  echo "pyright cannot start here (it needs Node and, once, a network): left out"
  exit 0
fi
report=$("$pyright" --pythonpath "${OPTLAB_VENV:-.venv}/bin/python" optlab/core)
found=$(printf '%s\n' "$report" | sed -nE 's/^([0-9]+) errors?.*/\1/p' | tail -n 1)
if [ -z "$found" ] || [ "$found" -gt "$allowed" ]; then
  printf '%s\n' "$report"
  echo "pyright: ${found:-no count of} errors in optlab/core, at most $allowed allowed"
  exit 1
fi
echo "pyright: $found errors in optlab/core, at most $allowed allowed"
