#!/usr/bin/env bash
# A training run that is killed (kill -9) in the middle and resumed leaves the same files, byte for
# byte, as one that was left alone, and so does one that recomputes; an interrupted one says so with
# exit code 130.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# 64 grey images of 16 x 16, bytes 0..255: a .npy file by hand.
header="{'descr': '|u1', 'fortran_order': False, 'shape': (64, 16, 16), }"
length=$(((${#header} + 11 + 63) / 64 * 64 - 10))
{
	printf '\x93NUMPY\x01\x00'
	printf "\\x$(printf %02x $((length % 256)))\\x$(printf %02x $((length / 256)))"
	printf '%-*s\n' $((length - 1)) "$header"
	awk 'BEGIN { for (i = 0; i < 64 * 256; i++) printf "%c", 1 + (i * 7 + int(i / 256) * 13) % 120 }'
} >"$work/images.npy"

options=(--data "$work/images.npy" --steps 40 --batch 8 --warmup 10 --base 8 --mult 1,2 --blocks 1
	--attention 8 --head-channels 8 --checkpoint-every 5 --checkpoint-minutes 1000 --seed 3 --flip)

train() { # folder option...
	"$GRADUS" train unet "${options[@]}" --output "$work/$1" "${@:2}" 2>>"$work/$1.txt"
}

# Start a run in the background and wait for a file; the process is $program.
program=
train_until() { # folder file option...
	rm -rf "${work:?}/$1"
	"$GRADUS" train unet "${options[@]}" --output "$work/$1" "${@:3}" 2>>"$work/$1.txt" &
	program=$!
	while kill -0 $program 2>/dev/null && [ ! -e "$work/$1/$2" ]; do
		sleep 0.02
	done
}

fail() {
	echo "train_resume: $*" >&2
	cat "$work"/*.txt >&2
	exit 1
}

train whole || fail "the uninterrupted run failed"

# Wait for the second checkpoint, then kill without warning. A run too fast to be caught is tried
# again; the comparison holds for it anyway.
for attempt in 1 2 3 4 5; do
	train_until cut checkpoint-00000010.safetensors
	kill -9 $program 2>/dev/null || true
	wait $program 2>/dev/null || true
	[ -e "$work/cut/weights.safetensors" ] || break
done
[ ! -e "$work/cut/weights.safetensors" ] || echo "train_resume: never caught it in the middle"

# Without --resume the folder is refused, and nothing in it changes.
before=$(sha256sum "$work"/cut/* | sort)
code=0
train cut || code=$?
[ $code = 2 ] || fail "a folder with checkpoints was overwritten (exit code $code)"
[ "$before" = "$(sha256sum "$work"/cut/* | sort)" ] || fail "a refused run changed files"

train cut --resume || fail "the resumed run failed"
for file in "$work"/whole/*; do
	cmp "$file" "$work/cut/$(basename "$file")" || fail "$(basename "$file") differs"
done
[ "$(ls "$work/whole")" = "$(ls "$work/cut")" ] || fail "the folders hold different files"
for file in weights.safetensors ema.safetensors config.json log.csv; do
	[ -s "$work/whole/$file" ] || fail "$file is missing"
done

# A signal: saved, exit code 130, and resumed to the same weights. (Background children of a script
# ignore SIGINT, so SIGTERM stands for it.) Sample grids on the way change nothing.
train_until term checkpoint-00000005.safetensors
kill -TERM $program 2>/dev/null || true
code=0
wait $program || code=$?
[ $code = 130 ] || [ $code = 0 ] || fail "exit code $code after SIGTERM"
train term --resume --sample-every 30 || fail "resuming after SIGTERM failed"
cmp "$work/whole/weights.safetensors" "$work/term/weights.safetensors" || fail "weights differ"
[ -s "$work/term/samples-00000040.png" ] || fail "no samples were drawn"

# Memory for time: stages that run again give the same weights, and the folder says nothing of it.
train again --recompute || fail "the recomputing run failed"
for file in "$work"/whole/*; do
	cmp "$file" "$work/again/$(basename "$file")" || fail "$(basename "$file") differs, recomputed"
done

echo "train_resume: $(ls "$work/whole" | wc -l) files equal"
