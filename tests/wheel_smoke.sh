#!/bin/sh
# Installs the built wheel into a fresh environment and uses it in an empty folder, as a new user would.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
${PYTHON:-python3} - "$root"/dist/effbench-*.whl <<'PY'
import sys
from zipfile import ZipFile

shared = {name.partition("/_share/")[2] for name in ZipFile(sys.argv[1]).namelist() if "/_share/" in name}
wanted = {
    "models/fmn.yaml",
    "train/synthetic-cpu.yaml",
    "protocols/paper.yaml",
    "plots/paper-1.yaml",
    "plots/effbench.mplstyle",
    "plots/statistical/samples.yaml",
    "benchmarks/studies/paper.yaml",
    "benchmarks/measurements/published.csv",
    "benchmarks/baselines/regress.json",
    "reports/models.md.j2",
    "reports/paper.md.j2",
    "reports/provenance.md.j2",
    "reports/report.html.j2",
}
unwanted = {name for name in shared if name.startswith(("reports/paper/", "benchmarks/suites/")) or name.endswith(".py")}
assert wanted <= shared, f"the wheel lacks {sorted(wanted - shared)}"
assert not unwanted, f"the wheel need not carry {sorted(unwanted)}"
PY
${PYTHON:-python3} -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --constraint "$root/constraints.txt" torch
"$work/venv/bin/python" -m pip install --quiet --constraint "$root/constraints.txt" "$root"/dist/effbench-*.whl
mkdir "$work/empty"
cd "$work/empty"
effbench="$work/venv/bin/effbench"
"$effbench" models list >models.txt
grep -q 'fmn10+hybrid-512' models.txt
"$effbench" recommend --max-params 5M --max-macs 1.2G >choice.txt
grep -q ': fmn10+hybrid-128$' choice.txt
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
# The page about models of one's own, word by word up to its first section.
mkdir "$work/own"
cd "$work/own"
${PYTHON:-python3} - "$root/docs/own-models.md" <<'PY'
import re
import sys
from pathlib import Path

page = Path(sys.argv[1]).read_text(encoding="utf-8").partition("\n## ")[0]
Path("mynet.py").write_text(re.search(r"```python\n(.*?)```", page, re.S)[1])
Path("commands.sh").write_text("\n".join(re.findall(r"^\$ (.*)$", page, re.M)) + "\n")
PY
PATH="$work/venv/bin:$PATH" sh -eux commands.sh
test -s results/figures/paper-1.svg
echo "wheel works: $(basename "$root"/dist/effbench-*.whl)"
