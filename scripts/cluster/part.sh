#!/usr/bin/env bash
# Trains and scores one part of the models of a run: what each task of a job array does.
#
#   PART=0 PARTS=8 scripts/cluster/part.sh CONFIG WORKDIR [--flag=value ...]
#
# PART counts from 0. A scheduler tells it too: SLURM as SLURM_ARRAY_TASK_ID of SLURM_ARRAY_TASK_COUNT (let the array
# begin at 0), Kubernetes as JOB_COMPLETION_INDEX. Part i of n has the models i, i + n, i + 2n, ... WORKDIR is on a file
# system that all parts see. Run again, on whatever machine, a part passes over what is finished and goes on from its
# checkpoints.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

part=${PART:-${SLURM_ARRAY_TASK_ID:-${JOB_COMPLETION_INDEX:-}}}
parts=${PARTS:-${SLURM_ARRAY_TASK_COUNT:-}}
if [[ $# -lt 2 || $1 == -* || $2 == -* ]]; then sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 2; fi
if ! [[ $part =~ ^[0-9]+$ && $parts =~ ^[0-9]+$ && $part -lt $parts ]]; then
  echo "part.sh: error: part '$part' of '$parts': set PART and PARTS, PART from 0 to PARTS - 1" >&2
  exit 2
fi
config=$1 workdir=$2; shift 2

export PYTHONPATH=$here${PYTHONPATH:+:$PYTHONPATH}
for stage in train score; do
  python -m "lira_jax.cli.$stage" --flagfile="$config" --workdir="$workdir" "$@" --model_ids="$part::$parts"
done
