#!/usr/bin/env bash
# gradus explain: every example as text, drawing and page; what it refuses.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() {
	echo "explain: $*" >&2
	exit 1
}

examples=$("$GRADUS" explain | awk '{ print $1 }')
[ "$(wc -w <<<"$examples")" -ge 5 ] || fail "few examples: $examples"
for example in $examples; do
	"$GRADUS" explain "$example" >"$dir/$example.txt"
	grep -q '^backward, newest first' "$dir/$example.txt" || fail "$example: no way back"
	"$GRADUS" explain "$example" --output "$dir/$example.dot"
	head -n 1 "$dir/$example.dot" | grep -q '^digraph' || fail "$example: no drawing"
	"$GRADUS" explain "$example" --output "$dir/$example.html"
	! grep -q '@GRAPH@' "$dir/$example.html" || fail "$example: no data in the page"
	tail -n 1 "$dir/$example.html" | grep -q '^</html>' || fail "$example: the page is cut"
done
grep -q 'matmul:  da = g b^T, db = a^T g' "$dir/mlp.txt" || fail "mlp: no rule of matmul"
grep -q '^  x0_hat .*axpby(a=x_t, b=eps)' "$dir/dps.txt" || fail "dps: no x0_hat"
grep -q '^  middle_block ' "$dir/unet.txt" || fail "unet: no layers"
"$GRADUS" explain mlp --format dot | cmp - "$dir/mlp.dot"

for wrong in nosuch "mlp --format pdf" "mlp --level 0"; do
	code=0
	"$GRADUS" explain $wrong >/dev/null 2>"$dir/message" || code=$?
	[ $code = 2 ] && [ "$(wc -l <"$dir/message")" = 1 ] || fail "$wrong: exit code $code"
done
code=0
"$GRADUS" explain mlp --output "$dir/no/such/page.html" 2>"$dir/message" || code=$?
[ $code = 3 ] || fail "no folder: exit code $code"
echo "explain: ok"
