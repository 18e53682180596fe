#!/usr/bin/env bash
# Rewrite requirements/{test,bench}.txt: each .in list resolved in a fresh environment.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
"${OPTLAB_PYTHON:-python3}" -m venv "$fresh/venv"
pip=("$fresh/venv/bin/python" -m pip --disable-pip-version-check)

pins() {  # pip's freeze without pip itself; packages that exist on some platforms only keep their marker
  "${pip[@]}" freeze | sed -E '/^(pip|setuptools)==/d; s/^(cmeel.*)$/\1; sys_platform != "win32"/'
}

"${pip[@]}" install -q -r requirements/test.in
{ echo "# Written by 'make lock' from requirements/test.in."; pins; } >requirements/test.txt
"${pip[@]}" install -q -r requirements/test.txt -r requirements/bench.in
{
  echo "# Written by 'make lock' from requirements/bench.in; on top of test.txt."
  pins | grep -vxFf requirements/test.txt || true
} >requirements/bench.txt
