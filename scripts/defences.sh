#!/usr/bin/env bash
# Trains a config undefended and with each of some defences, attacks all of them and compares:
#
#   scripts/defences.sh CONFIG WORKDIR DEFENCE [DEFENCE ...] [--flag=value ...]
#
# such as: scripts/defences.sh configs/digits.flags runs/defences dp_sgd:1 memguard label_smoothing:0.1
# A DEFENCE is one of --defence (lira-train --help), or several joined by commas, or one of --release
# (lira-score --help). Flags go to every stage that knows them. WORKDIR/none is the undefended run;
# WORKDIR/none/report/compare.html sets all beside it, each attacked by one who knows the defence and,
# as NAME/naive, by one whose shadow models are undefended. Run again, it goes on where it was
# interrupted.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

usage() { sed -n '2,13s/^# \{0,1\}//p' "$0"; }
case "${1:-}" in -h | --help) usage; exit 0 ;; esac
if [[ $# -lt 3 || $1 == -* || $2 == -* || $3 == -* ]]; then usage >&2; exit 2; fi
config=$1 workdir=$2
shift 2
if [[ ! -f $config ]]; then echo "defences.sh: error: no config $config" >&2; exit 2; fi
defences=()
while [[ $# -gt 0 && $1 != -* ]]; do defences+=("$1"); shift; done

# Flags of other stages are no typos.
others=workers,attacks,targets,compat,ablation,num_shadows,num_queries,statistics,fdr,delta,confidence,prior,details,compare_attack,shadows_defence
export PYTHONPATH=$here${PYTHONPATH:+:$PYTHONPATH}
stage() { # NAME RUN FLAGS...
  local name=$1 run=$2
  shift 2
  python -m "lira_jax.cli.$name" --flagfile="$config" --workdir="$run" --undefok="$others" "$@"
}

base=$workdir/none
for name in train score attack; do stage "$name" "$base" "$@"; done
compared=()
for defence in "${defences[@]}"; do
  echo "== $defence" >&2
  case "$defence" in
    temperature* | round* | top_k* | argmax* | memguard* | laplace*)
      stage score "$base" --release="$defence" "$@"
      for shadows in same none; do
        stage attack "$base" --release="$defence" --shadows_defence=$shadows "$@"
      done
      folder=$(python -c 'import sys; from lira_jax.defences import releases
print(releases.parse(sys.argv[1])[0].folder)' "$defence")
      compared+=("$base/released/$folder" "$base/released/$folder/naive")
      ;;
    *)
      run=$workdir/${defence//[:,]/_}
      for name in train score attack; do stage "$name" "$run" --defence="$defence" "$@"; done
      stage attack "$run" --shadows="$base" --out="$run/naive" "$@"
      compared+=("$run" "$run/naive")
      ;;
  esac
done
stage report "$base" --compare="$(IFS=,; echo "${compared[*]}")" "$@"
