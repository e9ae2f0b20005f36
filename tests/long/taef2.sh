#!/usr/bin/env bash
# TAEF2's published weights on photographs of 256 x 256, through the command: the quality of the
# photo that their README names, and of two sets.
set -euo pipefail
data=${GRADUS_SHARED:-}/data
[ -d "$data/taef2-vae" ] || { echo "taef2: skipped, there are no weights (GRADUS_SHARED)"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '{"latent_channels": 32, "use_midblock_gn": true}' >"$work/config.json"
weights=encoder=$data/taef2-vae/taef2_encoder.pth,decoder=$data/taef2-vae/taef2_decoder.pth
near() { # folder storage PSNR
	local mean
	mean=$("$GRADUS" model reconstruct taesd --config "$work/config.json" --weights "$weights" \
		--data "$1" --storage "$2" | awk -F'|' '/mean of/ { print $3 + 0 }')
	echo "taef2: $1, weights in $2: $mean dB"
	awk -v a="$mean" -v b="$3" 'BEGIN { exit !(a > b - 0.05 && a < b + 0.05) }' || {
		echo "taef2: expected $3 dB" >&2
		exit 1
	}
}
mkdir "$work/one"
cp "$data/natural-256/astronaut_face.png" "$work/one"
near "$work/one" f32 31.9
near "$work/one" f16 31.9 # as they are in the file
