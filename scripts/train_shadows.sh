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

export PYTHONPATH=$here${PYTHONPATH:+:$PYTHONPATH}
exec python -m lira_jax.cli.audit --flagfile="$config" --workdir="$workdir" "$@"
