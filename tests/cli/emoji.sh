#!/usr/bin/env bash
# The drawings of a font as data: training and held-out images share none. Skipped where the font is
# not installed; without FreeType the program says what is missing.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
	echo "emoji: $*" >&2
	cat "$work"/error.txt >&2
	exit 1
}

# How many there are is what the error says when more are asked for.
count() { # dataset
	"$GRADUS" images --data "$1" --count 100000 --output "$work/$1" 2>"$work/error.txt" || true
	if grep -q 'hint: apt-get install .*fonts-noto-color-emoji' "$work/error.txt"; then
		echo "emoji: skipped: $(cat "$work/error.txt")"
		exit 77
	fi
	n=$(sed -n 's/.*there are \([0-9]*\) images.*/\1/p' "$work/error.txt")
	[ -n "$n" ] || fail "$1: no number of images"
}

for data in emoji emoji-test; do
	count $data
	"$GRADUS" images --data $data --count "$n" --output "$work/$data" 2>"$work/error.txt" \
		>"$work/out.txt" || fail "$data"
	sha256sum "$work/$data"/*.png | cut -c1-64 >"$work/$data.txt"
done
both=$(sort "$work/emoji.txt" "$work/emoji-test.txt" | uniq -d | wc -l)
[ "$both" = 0 ] || fail "$both drawings are there twice"
held=$(wc -l <"$work/emoji-test.txt") rest=$(wc -l <"$work/emoji.txt")
[ "$rest" -gt 3000 ] && [ $((20 * held)) -gt "$rest" ] && [ $((5 * held)) -lt "$rest" ] ||
	fail "$held held out of $rest"
echo "emoji: $rest drawings, $held held out"
