#!/usr/bin/env bash
# What the attack loses when the shadow models are trained by another recipe than the target (LiRA, Carlini et al.
# 2022, section VI-E and figure 11):
#
#   scripts/mismatch_grid.sh CONFIG DIR FLAG VALUE VALUE ... [--flag=value ...]
#   scripts/mismatch_grid.sh configs/mismatch_digits.flags runs/mismatch augment none mirror mirror_shift
#
# For each value of FLAG (such as model, hidden, optimizer, augment) it trains and scores the models of CONFIG in
# DIR/VALUE; then the models of each are attacked with those of each as shadows, and a table of the attack ATTACK
# (default lira_online_fixed) and the metric METRIC (default auc; a column of results.csv) is printed: a row for
# the targets' value, a column for the shadows'. Flags after the values go to training and scoring. Run again, it goes on.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

if [[ $# -lt 4 || ${1:-} == -* ]]; then sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 2; fi
config=$1 dir=$2 flag=$3; shift 3
values=()
while [[ $# -gt 0 && $1 != --* ]]; do values+=("$1"); shift; done
attack=${ATTACK:-lira_online_fixed} metric=${METRIC:-auc}

export PYTHONPATH=$here${PYTHONPATH:+:$PYTHONPATH}
name() { tr -c 'A-Za-z0-9._\n-' '_' <<< "$1"; }
for value in "${values[@]}"; do
  for stage in train score; do
    python -m "lira_jax.cli.$stage" --flagfile="$config" --workdir="$dir/$(name "$value")" "--$flag=$value" "$@"
  done
done
for target in "${values[@]}"; do
  for shadow in "${values[@]}"; do
    python -m lira_jax.cli.attack --workdir="$dir/$(name "$target")" --shadows="$dir/$(name "$shadow")" \
      --attacks="$attack" --out="$dir/attacks/$(name "$target")-by-$(name "$shadow")" > /dev/null
  done
done

python - "$dir/attacks" "$flag" "$attack" "$metric" $(for value in "${values[@]}"; do name "$value"; done) <<'PYTHON'
import csv, pathlib, sys

folder, flag, attack, metric, *values = sys.argv[1:]
width = max(12, *(len(value) + 2 for value in values))
print(f"{metric} of {attack}: targets' {flag} in rows, shadows' in columns")
print("".ljust(width) + "".join(value.rjust(width) for value in values))
for target in values:
    cells = []
    for shadow in values:
        with open(pathlib.Path(folder) / f"{target}-by-{shadow}" / "results.csv") as file:
            row = next(row for row in csv.DictReader(file) if row["attack"] == attack)
        cells.append(f"{float(row[metric]):.4f}" if row[metric] else "-")
    print(target.ljust(width) + "".join(cell.rjust(width) for cell in cells))
PYTHON
