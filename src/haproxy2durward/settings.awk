# SPDX-License-Identifier: ISC
# What a section says, and what it has from another.

function put(p, key, value) {
	set[p, key] = value
	has[p, key] = 1
	line_of[p, key] = FNR
	text_of[p, key] = shown
	stood_in[p, key] = p
}
function get(p, key) {
	return set[p, key]
}
function given(p, key) {
	return ((p, key) in has)
}
function take(p, key, from) {
	if (!given(from, key))
		return
	set[p, key] = set[from, key]
	has[p, key] = 1
	line_of[p, key] = line_of[from, key]
	text_of[p, key] = text_of[from, key]
	stood_in[p, key] = stood_in[from, key]
}
# p begins as the section from says.
function inherit(p, from,   k, i, n) {
	for (n = split(INHERITED, k, " "); n > 0; n--)
		take(p, k[n], from)
	for (n = split(TIMED, k, " "); n > 0; n--)
		take(p, "timeout " k[n], from)
	for (n = split(SERVER_WORDS, k, " "); n > 0; n--)
		take(p " server", k[n], from " server")
}
# The defaults that a section names by the words from on; those before it where
# it names none.
function base_of(i) {
	if (w[i] != "from")
		return defaults
	if (w[i + 1] in defaults_named)
		return defaults_named[w[i + 1]]
	leave("end", "no defaults section of this name stands before it")
	return ""
}

function begin_section(kind, title,   from) {
	section = kind
	title = in_a_comment(title)
	if (kind == "defaults") {
		at = "defaults " ++ndefaults
		if (ndefaults == 1)
			first_defaults = at
		if (title == "from" || w[3] == "from") {
			from = base_of(title == "from" ? 2 : 3)
			if (from != "")
				inherit(at, from)
		}
		defaults = at
		if (title != "" && title != "from")
			defaults_named[title] = at
		return
	}
	if (kind != "frontend" && kind != "backend" && kind != "listen") {
		at = kind == "global" ? "global" : ""
		return
	}
	at = kind == "backend" ? "B " title : "F " title
	if (kind == "frontend" || kind == "listen")
		front[++nfront] = "F " title
	if (kind == "backend" || kind == "listen")
		back[++nback] = at
	title_of[at] = title
	from = base_of(3)
	if (from != "")
		inherit(at, from)
	kind_of[at] = kind
	line_of[at] = FNR
}
