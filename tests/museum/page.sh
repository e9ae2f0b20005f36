# Reading a page of the museum (sourced): page_mistake, page_source, page_file, page_tests, page_ours,
# page_theirs; and the file with theirs in place of ours.

read_page() { # file
	local text
	text=$(cat "$1")
	page_mistake=$(sed -n 's/^mistake: //p' "$1")
	page_source=$(sed -n 's/^seen in: //p' "$1")
	page_file=$(sed -n 's/^file: //p' "$1")
	page_tests=$(sed -n 's/^caught by: //p' "$1")
	page_ours=${text#*$'--- ours\n'}
	page_ours=${page_ours%%$'\n--- theirs'*}
	page_theirs=${text#*$'--- theirs'}
	page_theirs=${page_theirs#$'\n'}
}

# How often ours stands in its file.
count_ours() { # source folder
	local text rest count=0
	text=$(cat "$1/$page_file")
	while [[ "$text" == *"$page_ours"* ]]; do
		rest=${text#*"$page_ours"}
		text=$rest
		count=$((count + 1))
	done
	echo "$count"
}

put_back() { # source folder
	local text
	text=$(cat "$1/$page_file")
	printf '%s%s%s\n' "${text%%"$page_ours"*}" "$page_theirs" "${text#*"$page_ours"}"
}
