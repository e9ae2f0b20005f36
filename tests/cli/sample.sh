#!/usr/bin/env bash
# Every sampler draws from every shipped prior; what it costs is printed; a sample does not depend on
# how many are drawn, and wrong samplers, levels and classes are refused before anything is written.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
fail() {
	echo "sample: $*" >&2
	exit 1
}

draw() { # output, then options
	"$GRADUS" sample --quiet --seed 3 --output "$@" >out.txt 2>err.txt
}

drawn=0
for config in "$GRADUS_SOURCE"/experiments/priors/*/config.json; do
	grep -qE '"model": *"(unet|sit|edm)"' "$config" || continue
	prior=$(basename "$(dirname "$config")")
	for each in ddpm:4 ddim:4 euler:4 heun:7 dpmpp2m:4 em:4; do
		draw "$prior-${each%:*}.png" --prior "$prior" -n 1 --steps 4 --sampler "${each%:*}" ||
			fail "$prior, $each: $(cat err.txt)"
		grep -q "^${each#*:} evaluations" out.txt || fail "$prior, $each: $(cat out.txt)"
		[ -s "$prior-${each%:*}.png" ] || fail "$prior, $each: no picture"
	done
	drawn=$((drawn + 1))
done
[ "$drawn" -ge 1 ] || fail "no shipped prior"

# Levels between base steps, and one sample among three.
draw heun.npy -n 1 --sampler heun:ve=1 --steps edm:3 || fail "levels: $(cat err.txt)"
grep -q '^5 evaluations' out.txt || fail "levels: $(cat out.txt)"
cmp fashion-euler.png fashion-ddim.png || fail "euler is not ddim with eta 0"
draw one.npy -n 1 --sampler em --steps 3 || fail "em: $(cat err.txt)"
draw three.npy -n 3 --sampler em --steps 3 || fail "em: $(cat err.txt)"
cmp <(tail -c 4096 one.npy) <(tail -c 12288 three.npy | head -c 4096) ||
	fail "a sample depends on its companions"

refused() { # words, then options
	if draw none.png -n 1 "${@:2}"; then fail "accepted: ${*:2}"; fi
	grep -q "$1" err.txt || fail "${*:2}: $(cat err.txt)"
	[ ! -e none.png ] || fail "${*:2}: a picture"
}
refused "no method 'karras'" --sampler karras
refused "malformed respacing" --steps edm
refused "noise level of" --steps edm:4,max=1000
refused "knows no classes" --class 2
echo "sample: ok"
