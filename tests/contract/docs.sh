#!/usr/bin/env bash
# Pages show the examples that are compiled and run, and every file that a page names exists.
set -euo pipefail
cd "$GRADUS_SOURCE"
failed=0

shows() { # page example
	if ! diff <(sed -n '/^```c$/,/^```$/p' "$1" | grep -v '^```') "$2"; then
		echo "$1: the C example is not $2" >&2
		failed=1
	fi
}
shows README.md docs/examples/fit_sine.c
shows docs/own-inverse.md <(cat docs/examples/own_{operator,term,solver}.c)
for example in docs/examples/own_{operator,term,solver}.c; do
	[ "$(wc -l <"$example")" -le 40 ] || {
		echo "$example: more than 40 lines" >&2
		failed=1
	}
done
shows docs/own-network.md docs/examples/own_network.c
shows docs/experiments.md docs/examples/my_table.c

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
