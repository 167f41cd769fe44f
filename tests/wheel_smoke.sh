#!/bin/sh
# Installs the built wheel into a fresh environment and uses it in an empty folder, as a new user would.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
${PYTHON:-python3} -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --constraint "$root/constraints.txt" torch
"$work/venv/bin/python" -m pip install --quiet --constraint "$root/constraints.txt" "$root"/dist/effbench-*.whl
mkdir "$work/empty"
cd "$work/empty"
effbench="$work/venv/bin/effbench"
"$effbench" models list >models.txt
grep -q 'fmn10+hybrid-512' models.txt
"$effbench" profile --model fmn04 --no-throughput --format json >profile.json
"$work/venv/bin/python" - <<'PY'
import json
from pathlib import Path

(profile,) = json.loads(Path("profile.json").read_text())
assert profile["parameters"]["total"] == 860_318, profile["parameters"]
assert profile["macs"]["exact"] == 224_211_456, profile["macs"]
PY
"$effbench" profile --model fmn04 --batch-size 1 --part network
test -s results/effbench.sqlite
"$effbench" study status quick
"$effbench" doctor
echo "wheel works: $(basename "$root"/dist/effbench-*.whl)"
