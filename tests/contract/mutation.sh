#!/usr/bin/env bash
# tests/long/mutation.sh covers what it says: every rule that a record names has changes, and every
# change said to alter nothing (tests/mutation/equivalent) is still one that is made.
set -euo pipefail
cd "$GRADUS_SOURCE"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0

"$CC" -std=c17 -Wall -Wextra -Werror -O1 -o "$dir/mutate" tests/mutation/{mutate,source,operators}.c
touch "$dir/skip"
"$dir/mutate" "$dir" "$dir/skip" autograd/ops/*.c >/dev/null
cut -f4 "$dir/list" | sort -u >"$dir/changed"

rules=$(grep -ohE '\.vjp(_fused)? = [a-z0-9_]+' autograd/ops/*.c | sed 's/.* = //' | sort -u)
while read -r rule; do
	grep -qx "$rule" "$dir/changed" || { echo "mutation: $rule has no change" >&2; failed=1; }
done <<<"$rules"

while IFS=$'\t' read -r function change reason; do
	[ -n "$reason" ] || { echo "mutation: equivalent: $function: no reason" >&2; failed=1; }
	awk -F'\t' -v f="$function" -v c="$change" '$4 == f && $6 == c { found = 1 } END { exit !found }' \
		"$dir/list" || { echo "mutation: equivalent: $function has no change $change" >&2; failed=1; }
done < <(grep -v '^#' tests/mutation/equivalent)
echo "mutation: $(wc -l <<<"$rules") rules"
exit $failed
