#!/usr/bin/env bash
# gradus evaluate on networks of a few steps: figures that must come out of what they mean.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
	echo "evaluate: $*" >&2
	cat "$work"/*.txt >&2
	exit 1
}

# 64 labelled images of 32 x 32 in MNIST's format, no two alike.
mkdir "$work/set"
{
	printf '\x00\x00\x08\x03\x00\x00\x00\x40\x00\x00\x00\x20\x00\x00\x00\x20'
	awk 'BEGIN { for (i = 0; i < 64 * 1024; i++) printf "%c", 1 + (i * 7 + int(i / 1024) * 13) % 120 }'
} >"$work/set/train-images-idx3-ubyte"
{
	printf '\x00\x00\x08\x01\x00\x00\x00\x40'
	awk 'BEGIN { for (i = 0; i < 64; i++) printf "%c", 1 + i % 7 }'
} >"$work/set/train-labels-idx1-ubyte"

train() {
	"$GRADUS" train --recipe "$1" --data "$work/set" --batch 4 --warmup 2 --threads 1 \
		--output "$work/$1" --steps "$2" "${@:3}" 2>>"$work/train.txt" || fail "training $1 failed"
}

evaluate() {
	"$GRADUS" evaluate --prior "$work/$1" --data "$work/set" --threads 1 "${@:2}" 2>>"$work/error.txt"
}

# The autoencoder's latents have variance 1 over all channels, drawn 64 * 64 times each: 5 % is
# many deviations of that estimate.
train fashion-vae 20
evaluate fashion-vae >"$work/vae.txt" || fail "fashion-vae"
awk -F'|' '/^\| [0-3] \|/ { n++; sum += $3; squares += $3 * $3 + $4 * $4 }
	END { v = squares / n - (sum / n) ^ 2; exit !(n == 4 && v > 0.95 && v < 1.05) }' "$work/vae.txt" ||
	fail "the latents' variance is not 1"
grep -qE '^\| PSNR of reconstructions, dB \| [0-9.]+ \([0-9.]+ to [0-9.]+\) \|$' "$work/vae.txt" ||
	fail "no PSNR"

# Every image is its own nearest neighbour; with all of them voting, all get the label of one.
train fashion-vit 2
evaluate fashion-vit --reference "$work/set" --neighbours 1 >"$work/vit.txt" || fail "fashion-vit"
[ "$(grep -c '| 100.00 |$' "$work/vit.txt")" = 2 ] || fail "an image is not its own neighbour"
evaluate fashion-vit --reference "$work/set" --neighbours 64 >"$work/vit.txt" || fail "fashion-vit"
[ "$(grep -c '| 15.62 |$' "$work/vit.txt")" = 2 ] || fail "64 neighbours of 64 agree on no label"

# A velocity of 0, which a network of no more than a few steps still predicts, misses by 1 + 1 at
# every t; the cosine of the alignment is one. Another autoencoder than that of the training is refused.
train fashion-sit 1 --autoencoder "$work/fashion-vae" --encoder "$work/fashion-vit"
evaluate fashion-sit --limit 0 >"$work/sit.txt" || fail "fashion-sit"
awk -F'|' '/^\| [0m]/ { n++; if (!($3 > 1.9 && $3 < 2.1 && $4 >= -1 && $4 <= 1)) exit 1 }
	END { exit n != 11 }' "$work/sit.txt" || fail "not the error of a velocity of 0"
mkdir "$work/elsewhere"
cp -r "$work/fashion-sit" "$work/fashion-vae" "$work/fashion-vit" "$work/elsewhere"
evaluate elsewhere/fashion-sit --limit 1 >"$work/out.txt" || fail "moved with its autoencoder"
printf 'x' >>"$work/elsewhere/fashion-vae/weights.safetensors"
code=0
evaluate elsewhere/fashion-sit --limit 1 >"$work/out.txt" || code=$?
[ $code = 3 ] && grep -q 'is not the .* that' "$work/error.txt" || fail "another autoencoder: code $code"

# A classifier counts every image of every class once; samples that are the images themselves have
# their shares of the classes and no distance from them.
train fashion-classifier 2
evaluate fashion-classifier --limit 0 >"$work/classes.txt" || fail "fashion-classifier"
awk -F'|' '/^\| [0-9]/ { n++; sum += $3 } /^\| all / { all = $3 }
	END { exit !(n == 7 && sum == 64 && all == 64) }' "$work/classes.txt" || fail "classes do not add up"
evaluate fashion-vae --drawn "$work/set" --judge "$work/fashion-classifier" --limit 0 \
	>"$work/drawn.txt" || fail "--drawn"
awk -F'|' '/^\| [0-9]/ { n++; if ($3 + 0 != $4 + 0) exit 1; sum += $3 }
	/^\| samples/ { exit !(n == 8 && sum > 99.5 && sum < 100.5 && $3 < 1e-4) }' "$work/drawn.txt" ||
	fail "images are not judged as themselves"
evaluate ../fashion --samples 1 >"$work/out.txt" && fail "a prior that is not there"

# |a - b| is at most |a| + |b|: no error is above 2; two networks, three groups, six conditions.
train fashion-mpe 2
evaluate fashion-mpe --limit 0 >"$work/mpe.txt" || fail "fashion-mpe"
awk -F'|' '/trained \|/ { n++; if (!($6 > 0 && $6 <= 2)) exit 1 } END { exit n != 36 }' \
	"$work/mpe.txt" || fail "not an equivariance error"

# Networks are listed by name, and shown with what they were made of.
GRADUS_PRIORS=$work "$GRADUS" prior list >"$work/list.txt" || fail "prior list"
for name in fashion-classifier fashion-mpe fashion-sit fashion-vae fashion-vit; do
	grep -qE "^$name +[a-z_]+ +1 x 32 x 32 +[0-9.]+ M  $work/$name\$" "$work/list.txt" ||
		fail "prior list: $name"
done
grep -qE "^fashion +unet +1 x 32 x 32 +2.75 M" "$work/list.txt" || fail "prior list: fashion"
GRADUS_PRIORS=$work "$GRADUS" prior show fashion-vae >"$work/show.txt" || fail "prior show"
grep -q "^SHA-256: $(sha256sum "$work/fashion-vae/weights.safetensors" | cut -c1-64)\$" \
	"$work/show.txt" || fail "prior show: SHA-256"
cmp <(sed '1,/^--- config.json/d' "$work/show.txt") "$work/fashion-vae/config.json" ||
	fail "prior show: config.json"

# What cannot be measured.
code=0
evaluate fashion-vit --reference "$work/set/train-images-idx3-ubyte" >"$work/out.txt" || code=$?
[ $code = 2 ] && grep -q 'no labels' "$work/error.txt" || fail "a reference without labels: code $code"
mkdir "$work/odd"
echo '{"format": "gradus-prior-1", "model": "odd", "channels": 1, "height": 2, "width": 2}' \
	>"$work/odd/config.json"
code=0
evaluate odd >"$work/out.txt" || code=$?
[ $code != 0 ] && grep -q 'model "odd"' "$work/error.txt" || fail "an odd model: code $code"
echo "evaluate: ok"
