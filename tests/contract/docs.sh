#!/usr/bin/env bash
# The README shows the example that is compiled and run, and every file that a page names exists.
set -euo pipefail
cd "$GRADUS_SOURCE"
failed=0

if ! diff <(sed -n '/^```c$/,/^```$/p' README.md | sed '1d;$d') docs/examples/fit_sine.c; then
	echo "README.md: the C example is not docs/examples/fit_sine.c" >&2
	failed=1
fi

# Words such as tensor/core/view.c; a trailing * stands for any continuation.
layers='tensor|autograd|nn|models|inverse|experiments|tests|docs'
while read -r page; do
	while read -r name; do
		compgen -G "$name*" >/dev/null || {
			echo "$page names $name, which is not there" >&2
			failed=1
		}
	done < <(grep -oE "(^|[^A-Za-z0-9_/.-])($layers)/[A-Za-z0-9_./-]+" "$page" |
		sed -E 's/^[^a-z]//; s/[.,:]+$//')
done < <(find README.md docs experiments/priors -name '*.md' | sort)
[ "$failed" = 0 ] && echo "docs: ok"
exit "$failed"
