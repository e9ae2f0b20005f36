#!/usr/bin/env bash
# A reconstruction does not depend on its companions, on how many are worked on at a time, on the
# number of threads, nor on what is run again for gradients: the same PNGs and scores to the byte.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
images=$GRADUS_SOURCE/experiments/priors/fashion/images
mkdir "$dir/in"
mapfile -t names < <(cd "$images" && ls ./*.png | head -8)
for name in "${names[@]}"; do cp "$images/$name" "$dir/in"; done

solve() { # output, then options
	"$GRADUS" solve --operator inpaint_random --steps 4 --particles 2 --quiet --output "$@" >/dev/null
}

solve "$dir/all" --input "$dir/in" --threads 2
solve "$dir/threads" --input "$dir/in" --threads 1
solve "$dir/small" --input "$dir/in" --batch 3
solve "$dir/again" --input "$dir/in" --recompute
for other in threads small again; do
	diff -r "$dir/all/images" "$dir/$other/images"
	cmp "$dir/all/metrics.csv" "$dir/$other/metrics.csv"
	cmp "$dir/all/panel.png" "$dir/$other/panel.png"
done

last=$(basename "${names[7]}" .png)
solve "$dir/one" --input "$dir/in/$last.png"
for file in "$dir/one/images/$last"_*.png; do
	cmp "$file" "$dir/all/images/$(basename "$file")"
done

# The configuration that a run wrote makes it again.
"$GRADUS" solve --config "$dir/all/config.json" --quiet --output "$dir/config" >/dev/null
diff -r -x run.json "$dir/all" "$dir/config"
echo "solve_same: ok"
