#!/usr/bin/env bash
# Trains a config undefended and with each of some defences, attacks all of them and compares:
#
#   scripts/defences.sh CONFIG WORKDIR DEFENCE [DEFENCE ...] [--flag=value ...]
#
# such as: scripts/defences.sh configs/digits.flags runs/defences dp_sgd:1 memguard label_smoothing:0.1
# A DEFENCE is one of --defence (lira-train --help), or several joined by commas, or one of --release
# (lira-score --help); flags of its own come after it in one word: 'dp_sgd --dp_epsilon=8'. Flags at
# the end go to every stage that knows them. WORKDIR/none is the undefended run;
# WORKDIR/none/report/compare.html, which lira-report prints too, is the benchmark: a row a defence,
# attacked by one who knows it and by one whose shadow models are undefended. Run again, it goes on
# where it was interrupted.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

usage() { sed -n '2,14s/^# \{0,1\}//p' "$0"; }
case "${1:-}" in -h | --help) usage; exit 0 ;; esac
if [[ $# -lt 3 || $1 == -* || $2 == -* || $3 == -* ]]; then usage >&2; exit 2; fi
config=$1 workdir=$2
shift 2
if [[ ! -f $config ]]; then echo "defences.sh: error: no config $config" >&2; exit 2; fi
defences=()
while [[ $# -gt 0 && $1 != -* ]]; do defences+=("$1"); shift; done

# Flags of other stages are no typos.
others=workers,attacks,targets,compat,ablation,num_shadows,num_queries,statistics,fdr,delta,confidence,prior,details,compare_attack,shadows_defence,examples,shadow_examples,protocol,tables,verbose,stop_at,at_epochs
export PYTHONPATH=$here${PYTHONPATH:+:$PYTHONPATH}
stage() { # NAME RUN FLAGS...
  local name=$1 run=$2
  shift 2
  python -m "lira_jax.cli.$name" --flagfile="$config" --workdir="$run" --undefok="$others" "$@"
}

base=$workdir/none
for name in train score attack; do stage "$name" "$base" "$@"; done
compared=()
for word in "${defences[@]}"; do
  echo "== $word" >&2
  read -r -a own <<<"$word"
  defence=${own[0]} own=("${own[@]:1}")
  case "$defence" in
    temperature* | round* | top_k* | argmax* | memguard* | laplace*)
      stage score "$base" --release="$defence" ${own[@]+"${own[@]}"} "$@"
      stage attack "$base" --release="$defence" --shadows_defence=both "$@"
      folder=$(python -c 'import sys; from lira_jax.defences import releases
print(releases.parse(sys.argv[1])[0].folder)' "$defence")
      compared+=("$base/released/$folder")
      ;;
    *)
      run=$workdir/$(tr -cs '[:alnum:].' _ <<<"$word" | sed 's/_$//')
      for name in train score; do
        stage "$name" "$run" --defence="$defence" ${own[@]+"${own[@]}"} "$@"
      done
      stage attack "$run" --shadows="$base" --shadows_defence=both ${own[@]+"${own[@]}"} "$@"
      compared+=("$run")
      ;;
  esac
done
stage report "$base" --compare="$(IFS=,; echo "${compared[*]}")" "$@"
