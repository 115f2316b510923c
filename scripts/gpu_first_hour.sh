#!/usr/bin/env bash
# Makes, with one command on a machine with a GPU, the figures that were never made on one:
#
#   scripts/gpu_first_hour.sh DATA_PATH [OUT] [--dry_run | --tiny]
#
# DATA_PATH is cifar-10-batches-py, OUT a folder for logs, runs and report.md (default
# runs/gpu_first_hour). In order: what hardware it is; throughput of WRN28-2 against one model at a
# time in JAX and, where torch is installed, in PyTorch, eager and compiled; 16 WRN28-2 models to the
# end; 256 models of the fast preset to the end. The tables of strategies are printed by the last two.
# Run again, it passes over the steps that are done and takes up the one that was interrupted. A step
# that fails is in the report, the others go on, and the exit status is 1.
# --dry_run prints the commands; --tiny takes minutes on a CPU, and its figures say nothing.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export PYTHONPATH=$here${PYTHONPATH:+:$PYTHONPATH}

mode='' places=()
for word in "$@"; do
  case "$word" in
    -h | --help) sed -n '2,14s/^# \{0,1\}//p' "$0"; exit 0 ;;
    --dry_run | --tiny) mode=$word ;;
    -*) echo "gpu_first_hour.sh: error: $word: give --dry_run, --tiny or nothing" >&2; exit 2 ;;
    *) places+=("$word") ;;
  esac
done
if [[ ${#places[@]} -eq 0 && $mode != --tiny || ${#places[@]} -gt 2 ]]; then
  echo "gpu_first_hour.sh: error: name the folder of CIFAR-10, such as cifar-10-batches-py, and maybe one for the results" >&2
  exit 2
fi
data=${places[0]:-} out=${places[1]:-$here/runs/gpu_first_hour}
if [[ -z $mode && ! -e $data ]]; then
  echo "gpu_first_hour.sh: error: there is no $data" >&2
  exit 2
fi

torch=false
[[ $mode != --dry_run ]] && python -c 'import torch' > /dev/null 2>&1 && torch=true
bench=(python "$here/scripts/bench_train.py" --models=wide_resnet --augment=mirror_shift "--torch=$torch")
shadows=("$here/scripts/train_shadows.sh")
if [[ $mode == --tiny ]]; then
  bench+=(--depth=10 --width=1 --num_models=2 --batch_size=8 --steps=2 --rounds=1 --seconds=0.1 --strategies=loop)
  small=(--dataset=digits --data_path= --num_examples=200 --num_models=8 --epochs=1 --batch_size=32 --shift=1 --queries=2 --workers=1 --attacks=loss,lira_online_fixed)
  wrn=("$here/configs/cifar10_wrn28_2.flags" "$out/wrn28_2" "${small[@]}" --depth=10 --width=1)
  fast=("$here/configs/cifar10_fast.flags" "$out/fast" "${small[@]}" --width=4)
else
  bench+=(--depth=28 --width=2 --num_models=16 --batch_size=256 --steps=50 --dtype=bfloat16 --rounds=3)
  wrn=("$here/configs/cifar10_wrn28_2.flags" "$out/wrn28_2" "--data_path=$data" --num_models=16 --queries=2)
  fast=("$here/configs/cifar10_fast.flags" "$out/fast" "--data_path=$data")
fi

names=(hardware throughput wrn28_2 fast)
declare -A what=(
  [hardware]="What this is"
  [throughput]="Throughput of WRN28-2, 16 models, against one at a time in JAX and PyTorch"
  [wrn28_2]="16 WRN28-2 models, 2 queries, every model a target"
  [fast]="256 models of the fast preset"
)
declare -A beside=(
  [hardware]=""
  [throughput]="torch installed: $torch."
  [wrn28_2]="The reference code with running BatchNorm statistics, one target: online AUC .668, TPR at 0.1 % FPR 1.0 %; fixed variance .683, 5.4 %; offline .547, 0.7 %. Expect about 91 to 92 % test accuracy (with 100 epochs on half of the data)."
  [fast]="Nothing is published for this preset."
)
arguments() { # NAME: its command, an argument a line
  case $1 in
    hardware) printf '%s\n' python -c 'import subprocess, jax; print(jax.__version__, jax.devices()); subprocess.run(["nvidia-smi"], check=jax.default_backend() == "gpu") if jax.default_backend() == "gpu" else print("no GPU: these figures say nothing of one")' ;;
    throughput) printf '%s\n' "${bench[@]}" ;;
    wrn28_2) printf '%s\n' "${shadows[@]}" "${wrn[@]}" ;;
    fast) printf '%s\n' "${shadows[@]}" "${fast[@]}" ;;
  esac
}

report() {
  echo "# First hour on $(head -1 "$out/hardware.log" 2>/dev/null || echo 'unknown hardware')"
  echo
  echo "$(date -u +%Y-%m-%d), commit $(git -C "$here" describe --always --dirty 2>/dev/null || echo unknown)${mode:+, $mode: these figures say nothing}"
  for name in "${names[@]}"; do
    printf '\n## %s\n\n' "${what[$name]}"
    mapfile -t command < <(arguments "$name")
    printf '`%s`\n\n' "${command[*]}"
    if [[ -f $out/$name.done ]]; then
      echo "Done in $(cat "$out/$name.done") s, in the last call. ${beside[$name]}"
    elif [[ -f $out/$name.log ]]; then
      echo "**Not done**: it failed or was interrupted; run this script again."
    else
      echo "Not begun."
      continue
    fi
    printf '\n```\n'
    grep -A 12 'timed training steps' "$out/$name.log"
    tail -n 60 "$out/$name.log"
    printf '```\n'
  done
}

if [[ $mode != --dry_run ]]; then
  mkdir -p "$out" || exit 1
fi
failed=0
for name in "${names[@]}"; do
  mapfile -t command < <(arguments "$name")
  if [[ $mode == --dry_run ]]; then
    echo "$name: ${command[*]}"
    continue
  fi
  if [[ -f $out/$name.done ]]; then
    echo "$name: done already"
    continue
  fi
  echo "$name: ${command[*]}"
  begun=$SECONDS
  if "${command[@]}" > >(tee -a "$out/$name.log") 2>&1; then
    echo $((SECONDS - begun)) > "$out/$name.done"
  else
    failed=1
    echo "$name: failed; its output is in $out/$name.log" >&2
  fi
  report > "$out/report.md.new" && mv "$out/report.md.new" "$out/report.md"
done
[[ $mode == --dry_run ]] || echo "the report is $out/report.md"
exit $failed
