#!/usr/bin/env bash
# Make .venv ready to run optlab, its demo and its suite. Safe to call any number of times: a stamp
# holds the hash of everything that decides the outcome, so a second call returns at once.
#
#   OPTLAB_PYTHON   the interpreter to build from (default: the first python3 that is 3.11 or newer)
#   OPTLAB_VENV     where the environment lives   (default: .venv)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=${OPTLAB_VENV:-.venv}
py=$venv/bin/python
stamp=$venv/.optlab-ready
log=$venv/.optlab-setup.log

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

fingerprint() {
  { cat pyproject.toml requirements/test.txt requirements/{cholmod,pruning,spiking,torch}.txt scripts/setup.sh; pwd; } |
    if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -d' ' -f1
}

find_python() {
  local candidate
  for candidate in "${OPTLAB_PYTHON:-}" python3 python3.13 python3.12 python3.11 python; do
    [ -n "$candidate" ] || continue
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  return 1
}

may_use_apt() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

apt_install() {  # quiet; a machine without lists needs one update first
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >>"$log" 2>&1 ||
    { apt-get update -qq >>"$log" 2>&1 &&
      DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >>"$log" 2>&1; }
}

make_venv() {
  local base
  base=$(find_python) || fail "needs Python 3.11 or newer; install one or name it in OPTLAB_PYTHON"
  say "creating $venv with $("$base" --version)"
  if ! "$base" -m venv "$venv" 2>/dev/null; then
    # Debian splits venv off into its own package.
    rm -rf "$venv"
    mkdir -p "$venv"
    may_use_apt && apt_install python3-venv || true
    "$base" -m venv "$venv" || fail "'$base -m venv' failed; on Debian install python3-venv"
  fi
}

pip_install() { "$py" -m pip install --disable-pip-version-check -q "$@" >>"$log" 2>&1; }

have() { "$py" -c "import $1" 2>/dev/null; }

install_base() {
  say "installing pinned dependencies (details in $log)"
  if pip_install -r requirements/test.txt && pip_install --no-build-isolation --no-deps -e .; then
    return
  fi
  # Off line, an environment that can already run everything is good enough.
  if have 'numpy, scipy, qdldl, rich, jaxtyping, optlab, pytest, hypothesis, beartype'; then
    say "could not refresh the pinned dependencies (no network?); going on with what $venv holds"
    return
  fi
  tail -n 15 "$log" >&2
  fail "installing the dependencies failed; the log is $log"
}

# CHOLMOD is the fastest factorization but comes as source only: system headers, then a small build.
install_cholmod() {
  if have sksparse.cholmod; then return; fi
  if may_use_apt && [ ! -e /usr/include/suitesparse/cholmod.h ] && [ ! -e /usr/include/cholmod.h ]; then
    say "installing libsuitesparse-dev with apt"
    apt_install libsuitesparse-dev || true
  fi
  pip_install -r requirements/cholmod.txt || true
  have sksparse.cholmod ||
    say "no CHOLMOD here (it needs libsuitesparse-dev and a C compiler): going on with the qdldl and SciPy wheels"
}

# PyTorch on Linux comes with gigabytes of CUDA unless pip is set up to find a CPU build: look before taking it.
install_torch() {
  if have torch; then return; fi
  local plan=$venv/.optlab-torch.json
  if "$py" -m pip install --disable-pip-version-check -q --dry-run --report "$plan" -r requirements/torch.txt >>"$log" 2>&1 &&
    ! grep -qE '"name": "(nvidia|triton|cuda)' "$plan"; then
    say "installing PyTorch (CPU build)"
    pip_install -r requirements/torch.txt || true
  fi
  rm -f "$plan"
  have torch ||
    say "no CPU build of PyTorch to be had here: the tests that need it will be skipped"
}

install_spiking() {
  if ! have torch || have 'nirtorch, snntorch, spikingjelly'; then return; fi
  pip_install --no-deps -r requirements/spiking.txt ||
    say "no SpikingJelly and snnTorch to be had here: the tests that compare with them will be skipped"
}

install_pruning() {
  if ! have torch || have torch_pruning; then return; fi
  pip_install --no-deps -r requirements/pruning.txt ||
    say "no torch-pruning to be had here: the tests that need it will be skipped"
}

# Only the browser test of benchmark reports needs it; that test is skipped without.
install_chromium() {
  local name
  for name in chromium chromium-browser google-chrome chrome; do
    if command -v "$name" >/dev/null; then return; fi
  done
  if may_use_apt; then
    say "installing chromium with apt, for the browser test"
    apt_install chromium || true
  fi
  command -v chromium >/dev/null ||
    say "no chromium here: the browser test of benchmark reports will be skipped"
}

if [ -x "$py" ] && [ -e "$stamp" ] && [ "$(cat "$stamp")" = "$(fingerprint)" ]; then
  exit 0
fi
"$py" -c 'import pip' 2>/dev/null || make_venv
: >"$log"
install_base
install_cholmod
install_torch
install_spiking
install_pruning
install_chromium
fingerprint >"$stamp"
say "ready"
