#!/usr/bin/env bash
# Trains shadow models, scores them, attacks them and reports:
#
#   scripts/train_shadows.sh [CONFIG [WORKDIR]] [--flag=value ...]
#
# CONFIG is a flagfile (default configs/digits.flags), WORKDIR the run directory (default
# runs/<name of the config>). Flags after them go to every stage, e.g. --num_models=16. Run again, the
# same command goes on where it was interrupted and passes over what is done.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

case "${1:-}" in
  -h | --help) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
esac
config=$here/configs/digits.flags
if [[ $# -gt 0 && $1 != -* ]]; then config=$1; shift; fi
if [[ ! -f $config ]]; then
  echo "train_shadows.sh: error: no config $config; there are: $(cd "$here" && echo configs/*.flags)" >&2
  exit 2
fi
workdir=$here/runs/$(basename "${config%.flags}")
if [[ $# -gt 0 && $1 != -* ]]; then workdir=$1; shift; fi

# A flag that belongs to another stage is no typo.
others=workers,attacks,protocol,known,known_ways,known_classifiers,known_sampling,known_tries,known_trees,tables,targets,shadows,compat,ablation,num_shadows,num_queries,statistics,at_epochs,at_epochs_attack,stop_at,shadows_defence,fdr,delta,confidence,prior,details,compare,compare_attack
export PYTHONPATH=$here${PYTHONPATH:+:$PYTHONPATH}

# A signal to this script alone ends the stage too; one from a terminal has reached it already.
stage='' child=''
stopped() {
  if [[ -n $child ]]; then
    kill -"$1" "$child" 2>/dev/null || true
    sleep 0.2
    kill -TERM "$child" 2>/dev/null || true # of Python's first moment, when it ignores SIGINT
    status=0
    wait "$child" || status=$?
    [[ $status == "$3" || $status == 143 && $1 != INT ]] && exit "$3"
  fi
  echo "train_shadows.sh: error: $2; run the same command again to go on" >&2
  exit "$3"
}
trap 'stopped INT interrupted 130' INT
trap 'stopped TERM terminated 143' TERM
trap 'stopped HUP "hung up" 129' HUP
for stage in train score attack report; do
  python -m "lira_jax.cli.$stage" --flagfile="$config" --workdir="$workdir" --undefok="$others" "$@" &
  child=$!
  wait "$child"
  child=''
done
