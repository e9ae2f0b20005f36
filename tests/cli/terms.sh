#!/usr/bin/env bash
# Terms on the command line: they join solvers, say what is wrong, and docs/solver-terms.md is what
# `gradus solve --matrix` prints.
set -euo pipefail
page=$GRADUS_SOURCE/docs/solver-terms.md
input=$GRADUS_SOURCE/experiments/priors/fashion/images
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

run() { # folder argument...
	local folder=$1
	shift
	"$GRADUS" solve --prior fashion --input "$input" --limit 1 --steps 4 --quiet \
		--output "$work/$folder" "$@" >"$work/out" 2>"$work/err"
}

refused() { # text argument...
	local text=$1 code=0
	shift
	run refused "$@" || code=$?
	if [ $code = 0 ] || ! grep -qF -- "$text" "$work/err" || [ "$(wc -l <"$work/err")" != 1 ]; then
		echo "terms: gradus solve $*: exit code $code, expected '$text' and no more in:" >&2
		cat "$work/err" >&2
		exit 1
	fi
	[ ! -e "$work/refused" ]
}

refused "no kind 'replusion'" --term replusion:1
refused "f=NAME" --term equireg:hflip:0.01
refused "no setting 'frek'" --term equireg:hflip:0.01,f=pixels,frek=1
refused "one particle" --term repulsion:10
refused "ln(N - 1) = 0" --term repulsion:10 --particles 2
refused "no encoder" --solver psld
refused "teacher=NAME" --term repa:0.05
refused "a number from 1e-12" --term tv:0.01,smooth=0

# One evaluation and one gradient a step, however many terms there are.
run all --particles 3 --term equireg:hflip:0.01,f=pixels --term repulsion:10 --term tv:0.01 \
	--term likelihood:square:0.1
grep -q "prior evaluations per sample: 4, with a gradient: 4" "$work/out"
# A term of weight 0 changes no sample, another does.
run plain
run zero --term tv:0
run some --term tv:0.05
same() { cmp -s "$work/$1/panel.png" "$work/$2/panel.png"; }
same plain zero || { echo "terms: a weight of 0 changes the result" >&2; exit 1; }
! same plain some || { echo "terms: tv changes nothing" >&2; exit 1; }

"$GRADUS" solve --matrix >"$work/now.md"
diff "$page" "$work/now.md" || {
	echo "terms: docs/solver-terms.md is stale; gradus solve --matrix >docs/solver-terms.md" >&2
	exit 1
}
echo "terms: $(grep -c '^| ' "$page") rows"
