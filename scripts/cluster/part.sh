#!/usr/bin/env bash
# Trains and scores one part of the models of a run: what each machine does.
#
#   scripts/cluster/part.sh PART CONFIG WORKDIR [--flag=value ...]
#
# PART is such as 3/8, from 0/8 to 7/8, or auto where a scheduler says it (see --part of lira-train). WORKDIR is on a
# file system that all machines see. Run again, on whatever machine, a part passes over what is finished and goes on
# from its checkpoints.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

if [[ $# -lt 3 || $1 == -* || $2 == -* || $3 == -* ]]; then sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2; fi
part=$1 config=$2 workdir=$3; shift 3

export PYTHONPATH=$here${PYTHONPATH:+:$PYTHONPATH}
for stage in train score; do
  python -m "lira_jax.cli.$stage" --flagfile="$config" --workdir="$workdir" --part="$part" "$@"
done
