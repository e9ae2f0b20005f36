#!/usr/bin/env bash
# Latent DPS with REPA, EquiReg and repulsion from the command line: a flow prior, its autoencoder and
# its encoder, trained for a moment; one evaluation and one gradient a step; the same with any chunk.
set -euo pipefail
input=$GRADUS_SOURCE/experiments/priors/fashion/images
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir "$work/set"
{
	printf '\x00\x00\x08\x03\x00\x00\x00\x40\x00\x00\x00\x20\x00\x00\x00\x20'
	awk 'BEGIN { for (i = 0; i < 64 * 1024; i++) printf "%c", 1 + (i * 7 + int(i / 1024) * 13) % 120 }'
} >"$work/set/train-images-idx3-ubyte"
{
	printf '\x00\x00\x08\x01\x00\x00\x00\x40'
	awk 'BEGIN { for (i = 0; i < 64; i++) printf "%c", 1 + i % 7 }'
} >"$work/set/train-labels-idx1-ubyte"

train() { # recipe option...
	"$GRADUS" train --recipe "$1" --data "$work/set" --steps 2 --batch 2 --warmup 1 \
		--sample-every 1000 --output "$work/$1" "${@:2}" 2>"$work/err" || {
		cat "$work/err" >&2
		exit 1
	}
}
train fashion-vae
train fashion-vit
train fashion-sit --autoencoder "$work/fashion-vae" --encoder "$work/fashion-vit"

solve() { # folder argument...
	"$GRADUS" solve --prior "$work/fashion-sit" --solver latent_dps:final=1 --input "$input" \
		--limit 2 --steps 4 --particles 3 --quiet --output "$work/$1" "${@:2}" >"$work/out" \
		2>"$work/err" || {
		cat "$work/err" >&2
		exit 1
	}
}
terms=(--term repa:0.01 --term equireg:hflip:0.01 --term repulsion:10)
solve all "${terms[@]}"
grep -q "prior evaluations per sample: 4, with a gradient: 4" "$work/out" || {
	echo "terms_latent: not one evaluation and one gradient a step:" >&2
	cat "$work/out" >&2
	exit 1
}
solve chunked "${terms[@]}" --batch 3 --threads 1
cmp "$work/all/panel.png" "$work/chunked/panel.png"
solve plain
! cmp -s "$work/all/panel.png" "$work/plain/panel.png"
# Another encoder than the one that the prior was aligned with is refused.
printf 'x' | dd of="$work/fashion-vit/weights.safetensors" bs=1 seek=2000 conv=notrunc status=none
code=0
"$GRADUS" solve --prior "$work/fashion-sit" --solver latent_dps --input "$input" --limit 1 --steps 2 \
	--output "$work/refused" --quiet --term repa:0.01 >"$work/out" 2>"$work/err" || code=$?
if [ $code = 0 ] || ! grep -q "SHA-256" "$work/err"; then
	echo "terms_latent: exit code $code for an encoder that was changed" >&2
	cat "$work/err" >&2
	exit 1
fi
echo "terms_latent: ok"
