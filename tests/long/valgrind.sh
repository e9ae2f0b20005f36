#!/usr/bin/env bash
# A one-image solve under valgrind, with kernels it can run: no error, nothing definitely lost.
set -euo pipefail
command -v valgrind >/dev/null || { echo "valgrind is not installed"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
image=$(ls "$GRADUS_SOURCE"/experiments/priors/fashion/images/*.png | head -1)
GRADUS_ISA=baseline valgrind --quiet --error-exitcode=9 --leak-check=full \
	--show-leak-kinds=definite --errors-for-leak-kinds=definite \
	"$GRADUS" solve --operator inpaint_box --steps 4 --threads 1 --quiet --input "$image" \
	--output "$dir/out"
