# SPDX-License-Identifier: ISC
# What is said, and words: lines cut as HAProxy cuts them, strings and times
# as durward.conf has them.

function warn(text) {
	print "haproxy2durward: " text | "cat 1>&2"
}


# In the proxy p ("" for what belongs to none); said where p comes to paper.
function leave(p, why) {
	left++
	notes[p] = notes[p] "# LEFT OUT, " name ":" FNR ": " shown "\n" \
	    (why == "" ? "" : "#     " in_a_comment(why) "\n")
}
function remark(p, why) {
	remark_at(p, FNR, shown, why)
}
# After the file was read: about line n.
function leave_at(p, n, text, why) {
	left++
	notes[p] = notes[p] "# LEFT OUT, " name ":" n ": " in_a_comment(text) "\n#     " in_a_comment(why) "\n"
}
function remark_at(p, n, text, why) {
	notes[p] = notes[p] "# " name ":" n ": " in_a_comment(text) "\n#     " in_a_comment(why) "\n"
}
# A word may hold an end of line, of which only our own stay.
function in_a_comment(s) {
	gsub(/\n#     /, "\001", s)
	gsub(/[^ -~\001]/, "?", s)
	gsub(/\001/, "\n#     ", s)
	return s
}
# About a setting that p may have from elsewhere: once, and there.
function leave_once(p, key, why) {
	if (said[line_of[p, key]]++ == 0)
		leave_at(stood_in[p, key], line_of[p, key], text_of[p, key], why)
}


# HAProxy cuts a line like a shell: quotes, # and backslash before some.
# The words are in w[1..n]; broken: why it cannot be cut.
function cut(line,   i, c, q, word, open, n, len) {
	len = length(line)
	broken = ""
	for (i = 1; i <= len; i++) {
		c = substr(line, i, 1)
		if (c == "\\" && q != SQ) {
			word = word escaped(substr(line, i + 1, 3), q)
			i += escape_length
			open = 1
		} else if (q == "" && (c == "\"" || c == SQ)) {
			q = c
			open = 1
		} else if (c == q && q != "") {
			q = ""
		} else if (q == "" && c == "#") {
			break
		} else if (q == "" && (c == " " || c == "\t" || c == "\r")) {
			if (open)
				w[++n] = word
			word = ""
			open = 0
		} else {
			if (c == "$" && q == "\"")
				broken = "a variable of the environment of HAProxy: write its value"
			word = word c
			open = 1
		}
	}
	if (open)
		w[++n] = word
	if (q != "")
		broken = "a quote has no end"
	return n + 0
}
# What a backslash and the text after it stand for between quotes q;
# escape_length: how much of that text is part of it.
function escaped(text, q,   c, i, n) {
	c = substr(text, 1, 1)
	escape_length = 1
	if (c != "" && index(" #\\\"" SQ, c) > 0 || c == "$" && q == "\"")
		return c
	if (c != "" && (i = index("tnr", c)) > 0)
		return substr("\t\n\r", i, 1)
	if (c == "x" && text ~ /^x[0-9A-Fa-f][0-9A-Fa-f]/) {
		for (i = 2; i <= 3; i++)
			n = n * 16 + index("123456789abcdef", tolower(substr(text, i, 1)))
		escape_length = 3
		if (n > 0)
			return sprintf("%c", n)
	}
	if (c == "x")
		broken = "\\x is no character in it"
	escape_length = 0
	return "\\"
}
function rest(from,   i, s) {
	for (i = from; i <= nw; i++)
		s = s (i > from ? " " : "") w[i]
	return s
}
# A string of durward.conf.  Between single quotes a backslash is one, but for
# that before another, before the quote and at the end, which need one more.
function quoted(s) {
	if (s ~ /[\001-\037\177]/)
		return "\"" spelled(s) "\""
	if (index(s, "\\") == 0 && index(s, "\"") == 0 && index(s, "${") == 0)
		return "\"" s "\""
	return SQ with_backslashes(s, (s ~ /\\\\|\\$/ || index(s, "\\" SQ) > 0 ? "\\" : "") SQ) SQ
}
function with_backslashes(s, before,   i, c, out) {
	for (i = 1; i <= length(s); i++) {
		c = substr(s, i, 1)
		out = out (index(before, c) > 0 ? "\\" : "") c
	}
	return out
}
# Control characters as between double quotes.
function spelled(s,   i, n, c, out) {
	s = with_backslashes(s, "\\\"$")
	for (i = 1; i <= length(s); i++) {
		c = substr(s, i, 1)
		for (n = 127; n > 0 && c != sprintf("%c", n); n = n == 127 ? 31 : n - 1)
			;
		out = out (n > 0 ? sprintf("\\x%02x", n) : c)
	}
	return out
}
function clean(s) {
	gsub(/[^A-Za-z0-9_-]/, "-", s)
	return s
}
# A duration in ms; -1 where it is none.
function ms(t,   n, u) {
	if (t !~ /^[0-9]+(us|ms|s|m|h|d)?$/)
		return -1
	n = t + 0
	u = t
	sub(/^[0-9]+/, "", u)
	if (u == "us")
		return int((n + 999) / 1000)
	return n * (u == "s" ? 1000 : u == "m" ? 60000 : u == "h" ? 3600000 : u == "d" ? 86400000 : 1)
}
function duration(n) {
	if (n > 0 && n % 3600000 == 0)
		return "\"" n / 3600000 "h\""
	if (n > 0 && n % 60000 == 0)
		return "\"" n / 60000 "m\""
	if (n % 1000 == 0)
		return "\"" n / 1000 "s\""
	return "\"" n "ms\""
}
