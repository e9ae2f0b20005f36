#!/usr/bin/env bash
# Every table's smoke preset runs to the end, on networks of one training step where it needs some that
# are not shipped; and without them says which.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir networks

run() { # table
	"$GRADUS" table "$1" --preset smoke --set n=1 --output "$2/$1" --quiet >"$2/$1.md" 2>"$2/$1.err"
}

mkdir bare
"$GRADUS" table --list | sed -n 's/^\([a-z][a-z_]*\) .*/\1/p' | grep -v '^sweep$' >names
while read -r name; do
	run "$name" bare || grep -q 'no row can run here' "bare/$name.err" || {
		cat "bare/$name.err" >&2
		exit 1
	}
done <names
grep -q 'needs the network fashion-sit' bare/repa_solvers.md

if ! "$GRADUS" images --data fashion --count 1 --output one >/dev/null 2>&1; then
	echo "tables: the rest skipped: no Fashion-MNIST"
	exit 0
fi
export GRADUS_PRIORS=$dir/networks
for recipe in fashion-vae fashion-vit fashion-mpe fashion-sit; do
	(cd networks && "$GRADUS" train --recipe $recipe --steps 1 --batch 2 --output $recipe \
		--sample-every 0 >/dev/null 2>&1) || { echo "tables: $recipe was not made" >&2; exit 1; }
done
mkdir full
for name in repa_solvers repa_steps repa_proxy equireg_solvers equireg_controls; do
	run $name full || { cat "full/$name.err" >&2; exit 1; }
	if grep -q 'needs the network' "full/$name.md"; then
		echo "tables: $name: $(grep -m1 'needs the network' "full/$name.md")" >&2
		exit 1
	fi
done
echo "tables: $(wc -l <names) run"
