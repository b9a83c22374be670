#!/usr/bin/env bash
# Independent implementations of the attacks, run on the arrays of tests/functional/attacks/peers.json: their answers
# must be the recorded ones, with which the ordinary tests compare ours. `run.sh record` writes that file anew.
# They live in a folder of their own (.peers), fetched at fixed commits; nothing is installed into .venv.
set -euo pipefail
cd "$(dirname "$0")/../.."
python="${VENV:-.venv}/bin/python"
target=$PWD/.peers
wanted="adversarial-robustness-toolbox==1.20.1 six==1.17.0"
sources="privacytrustlab/ml_privacy_meter e384af8fd9319b8eeb1303aa82474df1441e3c59
tensorflow/privacy 03035d5d4a271ac795dab80f5bc1cef82fc3d462
google-deepmind/unlearning_evaluation ffae0fff4c3e9523b22618c47df6c26e4eebe0df
RoyRin/data-unlearning-bench eb261f9c652aa1daae62c7f23f4e56286edf745c"
if [ "$(cat "$target/.installed" 2>/dev/null)" != "$wanted $sources" ]; then
  rm -rf "$target"
  # shellcheck disable=SC2086  # two words are meant
  "$python" -m pip install --quiet --disable-pip-version-check --no-deps --target "$target/packages" $wanted
  while read -r name commit; do
    git init --quiet "$target/$name"
    git -C "$target/$name" fetch --quiet --depth 1 "https://github.com/$name" "$commit"
    git -C "$target/$name" checkout --quiet FETCH_HEAD
  done < <(grep . <<<"$sources")
  echo "$wanted $sources" >"$target/.installed"
fi
export PYTHONPATH="$target/packages:$PWD${PYTHONPATH:+:$PYTHONPATH}" EXPUNGE_PEERS="$target"
[ "${1:-}" = record ] && exec "$python" tests/peers/record.py
exec "$python" -m pytest tests/peers "$@"
