#!/bin/bash
# Whether two builds train to the same bits.
#
#     Benchmarks/same-bits.sh BEFORE AFTER [STEPS]
#
# BEFORE and AFTER are folders that hold the executables `train` and `scenes`, such as
# .build/release and a copy of it made before a change. Each build trains the configurations below on
# the same small images, with two lanes, every average of the weights and every diagnosis; then the
# saved weights are compared byte by byte, and so are the tensors of the state that training goes on from:
# moments, averages, codebook statistics. (The header of a state holds the seconds that it took.) The
# 30 steps of the default take about two minutes on two cores.
#
# Exit status: 0 where all are equal, 1 where some differ, 64 for wrong arguments. Runs of a build are
# made anew each time; they lie in a folder of TMPDIR that is removed at the end.
set -euo pipefail

if [[ $# -lt 2 || $# -gt 3 || ! -x ${1:-}/train || ! -x ${2:-}/train ]]; then
  echo "usage: Benchmarks/same-bits.sh BEFORE AFTER [STEPS]; folders with the executables train and scenes" >&2
  exit 64
fi
before=$1 after=$2 steps=${3:-30}
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$before"/scenes --output "$work/scenes" --count 200 --validation 40 --size 32 >/dev/null 2>&1

# A name, the configuration file, and what is set besides.
runs=(
  "fsq fsq"
  "fsq-attention fsq --set model.middleAttention=true --set quantizer.bound=ifsq"
  "vq vq --set quantizer.reviveEvery=10"
  "vq-rotation vq --set quantizer={\"type\":\"vq\",\"codebookSize\":256,\"gradient\":\"rotation\"}"
  "residual-vq vq --set quantizer={\"type\":\"residual-vq\"}"
  "lfq fsq --set quantizer={\"type\":\"lfq\"}"
)
common=(
  --steps "$steps" --threads 2 --seed 7 --quiet
  --set training.lanes=2
  --set training.averaging.ema=true --set training.averaging.tail=true
  --set training.averaging.uniform=true --set training.averaging.polynomial=true
  --set monitor.diagnoseEvery=10 --set monitor.evaluateEvery=15 --set monitor.averageLoss=true
  --set monitor.cosines=true --set monitor.decrease=true --set monitor.quantizer=true
  --set "data.train=$work/scenes/train" --set "data.validation=$work/scenes/validation"
)

# The bytes of a safetensors file behind its header, whose length the first eight bytes say.
tensors() {
  local length
  length=$(od -An -t u8 -N 8 "$1")
  tail -c +$((length + 9)) "$1"
}

differing=0
for run in "${runs[@]}"; do
  read -r -a words <<<"$run"
  name=${words[0]}
  for build in before after; do
    "${!build}"/train --config "$root/configs/${words[1]}.json" --output "$work/$build/$name" \
      "${common[@]}" "${words[@]:2}" >"$work/$build-$name.log" 2>&1 || {
      echo "$name: training by $build failed:" >&2
      cat "$work/$build-$name.log" >&2
      exit 1
    }
  done
  for file in model state; do
    if cmp -s <(tensors "$work/before/$name/$file.safetensors") \
      <(tensors "$work/after/$name/$file.safetensors"); then
      echo "$name: $file the same"
    else
      echo "$name: $file DIFFERS"
      differing=1
    fi
  done
done
exit $differing
