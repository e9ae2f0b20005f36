#!/usr/bin/env bash
# The page of `gradus explain` in a real browser: a script clicks forward and back, presses keys and
# reads what the page shows. Skipped where there is no Chromium.
set -euo pipefail
for browser in chromium chromium-browser google-chrome; do
	! command -v $browser >/dev/null || break
done
if ! command -v $browser >/dev/null; then
	echo "explain_page: skipped, there is no Chromium (apt-get install chromium)"
	exit 77
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# Add a script to a page, open it, and print what the script reports.
visit() { # example script
	"$GRADUS" explain "$1" --output "$dir/$1.html"
	if grep -nE '(src|href)=|https?://|@import|url\(' "$dir/$1.html" | grep -v 'http://www.w3.org/2000/svg'; then
		echo "explain_page: $1: the page loads something" >&2
		exit 1
	fi
	{
		sed '/<\/body>/,$d' "$dir/$1.html"
		cat <<-END
			<script>
			const report = [];
			addEventListener("error", e => report.push("error: " + e.message));
			const click = (id, times = 1) => { while (times-- > 0) document.getElementById(id).click(); };
			const press = key => document.dispatchEvent(new KeyboardEvent("keydown", { key }));
			const cell = (role, i = 0) => [...document.querySelectorAll("[data-role=" + role + "]")]
				.flatMap(b => [...b.querySelectorAll("td")])[i].textContent;
			const say = (...words) => report.push([document.body.dataset.phase, ...words].join(" "));
			{ $2 }
			const out = document.createElement("pre");
			out.id = "report";
			out.textContent = report.join("\n");
			document.body.replaceChildren(out);
			</script></body></html>
		END
	} >"$dir/visit.html"
	timeout 120 $browser --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \
		--user-data-dir="$dir/profile" --dump-dom "file://$dir/visit.html" 2>"$dir/browser.txt" |
		sed -n '/<pre id="report">/,/<\/pre>/p' | sed 's/<[^>]*>//g'
}

same() { # what got wanted
	if [ "$2" != "$3" ]; then
		echo "explain_page: $1" >&2
		diff <(echo "$2") <(echo "$3") >&2 || true
		tail -n 5 "$dir/browser.txt" >&2
		exit 1
	fi
}

# y = sin(x) x^2 + sin(x) at 0.5: sin is read by two ops, x by two, so adjoints meet in both.
got=$(visit reuse '
	say(cell("result"));
	click("next"); say(cell("operand"), cell("result"));
	click("next", 3); say(cell("result"));
	click("next"); say(cell("result"));
	click("next"); say(cell("adjoint"), cell("result", 0), cell("result", 1));
	click("next"); say(cell("part"), cell("result", 0), cell("result", 1));
	click("next", 2); say(cell("part"), cell("result"));
	click("previous"); say(cell("result"));
	click("next", 9); say(cell("gradient"), document.getElementById("next").disabled);
	press("Home"); say(cell("result"), document.getElementById("previous").disabled);
	press("ArrowRight"); say(cell("result"));
	press("t"); say(cell("result"));
	press("End"); say(cell("gradient"));
	document.querySelectorAll(".node")[1].dispatchEvent(new MouseEvent("click")); say(cell("result"));')
same "reuse" "$got" "forward 0.5
forward 0.5 0.4794
forward 0.5993
seed 1
backward 1 1 1
backward 0.25 1.25 0.4794
backward 1.097 1.576
backward 0.4794
end 1.576 true
forward 0.5 true
forward 0.4794
seed 1
end 1.576
backward 1.576"

# Every step of the others can be shown.
for example in mlp classify dps; do
	got=$(visit $example '
		const steps = Number(document.getElementById("slider").max) + 1;
		let cells = 0;
		for (let i = 0; i < steps; i++) {
			if (document.body.dataset.step !== String(i)) report.push("error: at " + document.body.dataset.step);
			if (/sum_|_[ijk]\b|\^/.test([...document.querySelectorAll(".math")].map(m => m.textContent))) report.push("error: plain mathematics");
			if (document.querySelectorAll("[data-role=result] td, [data-role=gradient] td").length > 0) cells++;
			click("next");
		}
		say(steps === cells ? "every step has a result" : cells + " of " + steps);')
	same "$example" "$got" "end every step has a result"
done
echo "explain_page: ok ($($browser --version 2>/dev/null))"
