#!/usr/bin/env bash
# Every promise of every op is kept, and docs/ops.md is what `gradus ops --markdown` prints. The
# error met, in the last column, may be off by one power of ten: rounding is the machine's.
set -euo pipefail
page=$GRADUS_SOURCE/docs/ops.md
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

"$GRADUS" ops --markdown >"$dir/now.md" || {
	echo "ops_page: gradus ops ends with $?" >&2
	exit 1
}
# "... | 1e-12 of 1e-09 |" -> the exponent.
errors() { sed -nE '/^\| `/s/^.*\| (1e(-[0-9]+) of .*|-) \|$/\2/p' "$1"; }
rest() { sed -E '/^\| `/s/1e-[0-9]+ (of [^|]*\|)$/\1/' "$1"; }

diff <(rest "$page") <(rest "$dir/now.md") || {
	echo "ops_page: docs/ops.md is stale; gradus ops --markdown >docs/ops.md" >&2
	exit 1
}
paste -d' ' <(errors "$page") <(errors "$dir/now.md") | awk '
	NF == 2 && ($1 - $2 > 1 || $2 - $1 > 1) {
		print "ops_page: row " NR ": the page says 1e" $1 ", the error is 1e" $2
		bad = 1
	}
	END { exit bad }' >&2
echo "ops_page: $(grep -c '^| `' "$page") ops"
