#!/usr/bin/env bash
# Writes the versions that .ci/run tests with, in a virtual environment of its own:
#   requirements/pin.sh lock     the newest of everything, into requirements/lock.txt
#   requirements/pin.sh floor    the lowest that setup.cfg allows, into requirements/floor.txt
set -euo pipefail
cd "$(dirname "$0")/.."
case "${1:-}" in
  lock) extras=test,lint,tfds,tpu what="The newest versions" ;;
  floor) extras=test,onednn what="The lowest versions that setup.cfg allows, and what these need" ;;
  *) sed -n '2,4s/^# //p' "$0"; exit 2 ;;
esac
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/venv"
touch "$folder/lowest.txt"
if [ "$1" = floor ]; then
  sed -n 's/^ \+\([A-Za-z0-9_-]\+\)>=/\1==/p' setup.cfg | sort -u > "$folder/lowest.txt"
fi
"$folder/venv/bin/pip" install -q -c "$folder/lowest.txt" ".[$extras]"
{
  echo "# $what, as of $(date +%F); made by: requirements/pin.sh $1"
  "$folder/venv/bin/pip" freeze --exclude lira_jax
} > "requirements/$1.txt"
