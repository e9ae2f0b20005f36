#!/usr/bin/env bash
# 200 steps of every recipe of gradus train on its own data: the loss falls. RECIPES in the
# environment names some of them. Latent priors are trained on the networks of 200 steps before them.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
	echo "recipes_fall: $*" >&2
	tail -n 3 "$work"/*.txt >&2
	exit 1
}

# Mean of the loss over 20 steps, the first and the last; the second is to be below 0.95 of the
# first, far more than 20 batches differ by. A loss with an alignment in it may be negative at its
# end.
falls() { # log.csv
	awk -F, 'NR > 1 && NR <= 21 { first += $2 / 20 } NR > 181 { last += $2 / 20; n++ }
		END { printf "%.4f to %.4f\n", first, last; exit !(n == 20 && last < 0.95 * first) }' "$1"
}

recipes=${RECIPES:-$("$GRADUS" train --help | sed -n '/^recipes:/,/^options:/p' |
	awk '/^  [a-z]/ { print $1 }')}
[ -n "$recipes" ] || fail "no recipes are listed"
for recipe in $recipes; do
	own=()
	case $recipe in
	fashion-sit) own=(--autoencoder "$work/fashion-vae" --encoder "$work/fashion-vit") ;;
	darcy)
		"$GRADUS" data pde --count 1024 --quiet --output "$work/darcy.npz" >"$work/data.txt"
		own=(--data "$work/darcy.npz")
		;;
	fashion-sit-plain) own=(--autoencoder "$work/fashion-vae") ;;
	esac
	code=0
	"$GRADUS" train --recipe "$recipe" "${own[@]}" --steps 200 --output "$work/$recipe" \
		2>"$work/$recipe.txt" || code=$?
	if [ $code != 0 ] && grep -q 'hint: apt-get install' "$work/$recipe.txt"; then
		echo "recipes_fall: $recipe: skipped, $(grep -o 'apt-get install .*' "$work/$recipe.txt")"
		continue
	fi
	[ $code = 0 ] || fail "$recipe: exit code $code"
	[ "$(grep -c '^[0-9]' "$work/$recipe/log.csv")" = 200 ] || fail "$recipe: not 200 steps"
	result=$(falls "$work/$recipe/log.csv") || fail "$recipe: the loss went from $result"
	echo "recipes_fall: $recipe: loss $result"
done
