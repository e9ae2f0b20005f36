#!/usr/bin/env bash
# --profile, --check-finite and their variables of the environment: a trace, the same results, and
# the op that makes the first NaN of a training run that diverges.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() {
	echo "seeing: $*" >&2
	tail -n 30 "$dir"/*.txt >&2
	exit 1
}

sample() { # output, then options
	"$GRADUS" sample -n 2 --steps 2 --quiet --output "$@" >/dev/null 2>"$dir/sample.txt"
}
sample "$dir/plain.png" || fail "sample failed"
sample "$dir/seen.png" --profile "$dir/trace.json" --check-finite || fail "sample --profile failed"
cmp "$dir/plain.png" "$dir/seen.png"
grep -q '^  conv2d_bias' "$dir/sample.txt" || fail "the totals lack conv2d_bias"
grep -q '"name":"group_norm","cat":"forward"' "$dir/trace.json" || fail "the trace lacks group_norm"
GRADUS_TRACE="$dir/env.json" GRADUS_CHECK_FINITE=1 sample "$dir/env.png"
cmp "$dir/plain.png" "$dir/env.png"
[ "$(grep -c '"ph":"X"' "$dir/env.json")" = "$(grep -c '"ph":"X"' "$dir/trace.json")" ] ||
	fail "the two traces hold other numbers of events"

code=0
sample "$dir/none.png" --profile "$dir/no/such/trace.json" || code=$?
[ $code = 3 ] || fail "a trace that cannot be written gives exit code $code"

# A learning rate that no training survives.
header="{'descr': '|u1', 'fortran_order': False, 'shape': (8, 8, 8), }"
{
	printf '\x93NUMPY\x01\x00\x76\x00%-117s\n' "$header"
	awk 'BEGIN { for (i = 0; i < 512; i++) printf "%c", 1 + (i * 7) % 120 }'
} >"$dir/images.npy"
train() { # output, then options
	"$GRADUS" train unet --data "$dir/images.npy" --steps 40 --batch 4 --base 8 --mult 1 --blocks 1 \
		--attention 8 --head-channels 8 --lr 1e30 --warmup 0 --output "$@" \
		>/dev/null 2>"$dir/train.txt"
}
code=0
train "$dir/run" --check-finite || code=$?
[ $code = 4 ] || fail "a run that diverges gives exit code $code"
grep -qE 'gradus train: [a-z0-9_]+: it(s rule)?.* made .*(NaN|infinity).*, out of .* at .*\.c:[0-9]+' \
	"$dir/train.txt" || fail "the message does not tell where"
echo "seeing: ok"
