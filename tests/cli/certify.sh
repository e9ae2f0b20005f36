#!/usr/bin/env bash
# A certificate is the same to the byte for a seed, whatever the threads, and what it writes is
# there; a case goes out and is scored; what is wrong is told with its exit code.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

certify() { "$GRADUS" certify --quick --quiet --solver mmps --problem toy-a --steps 6 "$@"; }
certify --json "$dir/a.json" --picture "$dir/a.png" --threads 1 >"$dir/a.md"
certify --json "$dir/b.json" --picture "$dir/b.png" --threads 2 >"$dir/b.md"
for kind in json png md; do cmp "$dir/a.$kind" "$dir/b.$kind"; done
grep -q '^| mmps |' "$dir/a.md"
grep -q '"90 % interval"' "$dir/a.json"
[ "$("$GRADUS" certify --list | wc -l)" -ge 14 ]

fails() { # exit code, then the command
	local code=0
	"$GRADUS" "${@:2}" >"$dir/out" 2>"$dir/err" || code=$?
	[ "$code" = "$1" ] && [ "$(wc -l <"$dir/err")" = 1 ] ||
		{ echo "certify: $* gave $code"; cat "$dir/err"; exit 1; }
}
fails 2 certify --problem nowhere
fails 2 certify --solver nobody
fails 2 case
fails 2 case export nowhere --output "$dir/c"
fails 2 case export toy-a
"$GRADUS" case export modes-8x2 --index 1 --output "$dir/c" >"$dir/out"
fails 2 case export modes-8x2 --output "$dir/c"
fails 3 case score "$dir/c" "$dir/none.npy"
fails 3 case score "$dir" "$dir/none.npy"
for name in case.json matrix.npy y.npy means.npy weights.npy variances.npy; do
	[ -s "$dir/c/$name" ]
done

# Software of one's own, where NumPy is there: the posterior of a mixture, by the files alone.
if python3 -c 'import numpy' 2>/dev/null; then
	python3 - "$dir/c" <<'PY'
import json, sys
import numpy as np
d = sys.argv[1]
H, y, m, w, v = (np.load(f"{d}/{n}.npy") for n in ("matrix", "y", "means", "weights", "variances"))
s = json.load(open(f"{d}/case.json"))["sigma"]
rng = np.random.default_rng(1)
logs, parts = [], []
for k in range(len(w)):
    C = np.diag(v[k])
    S = H @ C @ H.T + s * s * np.eye(len(y))
    r = y - H @ m[k]
    logs.append(np.log(w[k]) - 0.5 * r @ np.linalg.solve(S, r) - 0.5 * np.linalg.slogdet(S)[1])
    G = C @ H.T @ np.linalg.inv(S)
    parts.append((m[k] + G @ r, C - G @ H @ C))
p = np.exp(logs - max(logs))
k = rng.choice(len(w), 2000, p=p / p.sum())
x = np.stack([rng.multivariate_normal(*parts[i]) for i in k])
np.save(f"{d}/samples.npy", x)
PY
	"$GRADUS" case score "$dir/c" "$dir/c/samples.npy" | tee "$dir/score"
	awk '/sliced W2 is/ { exit !($4 < 2.0) }' "$dir/score"
fi
echo "certify: ok"
