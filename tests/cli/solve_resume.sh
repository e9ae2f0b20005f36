#!/usr/bin/env bash
# kill -9 in the middle of a solve, then --resume: the same files to the byte as an uninterrupted
# run, and an interrupted run (SIGINT) says 130 and continues likewise.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
images=$GRADUS_SOURCE/experiments/priors/fashion/images
mkdir "$dir/in"
(cd "$images" && ls ./*.png | head -4) | while read -r name; do cp "$images/$name" "$dir/in"; done

solve() {
	"$GRADUS" solve --operator blur_gauss --input "$dir/in" --batch 1 --steps 20 --quiet \
		--output "$@" >/dev/null
}

solve "$dir/whole"

# Wait until some images are done and some are not, then stop it.
stop_after_first() { # folder, signal
	"$GRADUS" solve --operator blur_gauss --input "$dir/in" --batch 1 --steps 20 --quiet \
		--output "$1" >/dev/null 2>&1 &
	local pid=$! code=0
	for _ in $(seq 2000); do
		if ls "$1"/state/*_done.safetensors >/dev/null 2>&1; then break; fi
		sleep 0.01
	done
	kill "-$2" "$pid" 2>/dev/null || true
	wait "$pid" || code=$?
	echo "$code"
}

code=$(stop_after_first "$dir/killed" KILL)
[ "$code" = 137 ]
[ ! -e "$dir/killed/metrics.csv" ]
if solve "$dir/killed" 2>/dev/null; then
	echo "a folder in use was taken without --resume" >&2
	exit 1
fi
solve "$dir/killed" --resume
diff -r -x run.json "$dir/whole" "$dir/killed"

code=$(stop_after_first "$dir/interrupted" INT)
[ "$code" = 130 ]
solve "$dir/interrupted" --resume
diff -r -x run.json "$dir/whole" "$dir/interrupted"
echo "solve_resume: ok"
