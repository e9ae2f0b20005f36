#!/usr/bin/env bash
# Every recipe of gradus train, on a small data set: two threads, killed (kill -9) and resumed, leave
# the files of one thread left alone, byte for byte.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
	echo "recipes: $*" >&2
	cat "$work"/*.txt >&2
	exit 1
}

# 64 labelled images of 32 x 32 in MNIST's format.
mkdir "$work/set"
{
	printf '\x00\x00\x08\x03\x00\x00\x00\x40\x00\x00\x00\x20\x00\x00\x00\x20'
	awk 'BEGIN { for (i = 0; i < 64 * 1024; i++) printf "%c", 1 + (i * 7 + int(i / 1024) * 13) % 120 }'
} >"$work/set/train-images-idx3-ubyte"
{
	printf '\x00\x00\x08\x01\x00\x00\x00\x40'
	awk 'BEGIN { for (i = 0; i < 64; i++) printf "%c", 1 + i % 7 }'
} >"$work/set/train-labels-idx1-ubyte"

"$GRADUS" data pde --count 24 --size 16 --quiet --output "$work/darcy.npz" >"$work/data.txt" ||
	fail "no fields"

options=(--data "$work/set" --steps 6 --batch 4 --warmup 2 --checkpoint-every 1
	--checkpoint-minutes 1000)

recipes=$("$GRADUS" train --help | sed -n '/^recipes:/,/^options:/p' | awk '/^  [a-z]/ { print $1 }')
[ -n "$recipes" ] || fail "no recipes are listed"
for recipe in $recipes; do
	# A grid of samples takes long; train_resume.sh draws one. Others use what came before them.
	own=(--sample-every 3)
	case $recipe in
	fashion | emoji) own=() ;;
	fashion-sit) own=(--autoencoder "$work/fashion-vae" --encoder "$work/fashion-vit") ;;
	darcy) own+=(--data "$work/darcy.npz") ;;
	fashion-sit-plain) own+=(--autoencoder "$work/fashion-vae") ;;
	esac
	train=("$GRADUS" train --recipe "$recipe" "${options[@]}" "${own[@]}")
	rm -rf "$work/whole" "$work/cut"
	"${train[@]}" --output "$work/whole" --threads 1 2>>"$work/whole.txt" ||
		fail "$recipe: the uninterrupted run failed"
	"${train[@]}" --output "$work/cut" --threads 2 2>>"$work/cut.txt" &
	program=$!
	while kill -0 $program 2>/dev/null && [ ! -e "$work/cut/checkpoint-00000002.safetensors" ]; do
		sleep 0.02
	done
	kill -9 $program 2>/dev/null || true
	wait $program 2>/dev/null || true
	"${train[@]}" --output "$work/cut" --threads 2 --resume 2>>"$work/cut.txt" ||
		fail "$recipe: the resumed run failed"
	# A killed writer leaves its temporary file, whose name begins with a dot.
	diff -r --exclude='.*' "$work/whole" "$work/cut" >>"$work/diff.txt" || fail "$recipe: the folders differ"
	for file in config.json log.csv ema.safetensors weights.safetensors; do
		[ -s "$work/whole/$file" ] || fail "$recipe: $file is missing"
	done
	[[ " ${own[*]} " != *--sample-every* ]] || [ -s "$work/whole/samples-00000006.png" ] ||
		fail "$recipe: no picture was drawn"
	echo "recipes: $recipe: $(ls "$work/whole" | wc -l) files equal"
	mv "$work/whole" "$work/$recipe"
done
