#!/usr/bin/env bash
# Tests of the timm and torchvision adapters, with those two libraries in a folder of their own (.adapters).
# They are never installed into .venv: they would replace its build of torch there.
set -euo pipefail
cd "$(dirname "$0")/../.."
python="${VENV:-.venv}/bin/python"
target=.adapters
wanted="torchvision==0.28.0 timm==1.0.31" # what goes with torch 2.13
if [ "$(cat "$target/.installed" 2>/dev/null)" != "$wanted" ]; then
  rm -rf "$target"
  # shellcheck disable=SC2086  # two words are meant
  "$python" -m pip install --quiet --disable-pip-version-check --no-deps --target "$target" $wanted
  echo "$wanted" >"$target/.installed"
fi
PYTHONPATH="$target${PYTHONPATH:+:$PYTHONPATH}" EXPUNGE_ADAPTERS=1 exec "$python" -m pytest tests/adapters "$@"
