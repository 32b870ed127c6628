# SPDX-License-Identifier: ISC
# ACLs and rules become host patterns, in an order that durward keeps.

# Host patterns of one sample, in pat[1..npat] and ready; 0, or why not.
function lower(s) {
	return tolower(s)
}
function literal(s) {
	gsub(/[.+*?^$(){}|\[\]\\]/, "\\\\&", s)
	return s
}
function add_pattern(s) {
	pat[++npat] = s
}
# A POSIX expression that says the same, "" where there is none.
function posix(re) {
	sub(/^\(\?i\)/, "", re)
	gsub(/\(\?:/, "(", re)
	gsub(/\\d/, "[0-9]", re)
	gsub(/\\w/, "[[:alnum:]_]", re)
	gsub(/\\-/, "-", re)
	gsub(/\[\^\\\.\]/, "[^.]", re)
	gsub(/\\\//, "/", re)
	if (re ~ /\(\?|\\[A-Za-z]|[*+?}][+?]/)
		return ""
	return re
}
function unescape(s) {
	gsub(/\\\./, ".", s)
	return s
}
# An expression: a name or a wildcard where it is one.
function regex_pattern(re,   head, tail, anchored, kind, original) {
	original = re
	re = posix(re)
	if (re == "")
		return "this expression has no POSIX form"
	tail = re
	anchored = sub(/\$$/, "", tail)
	anchored = sub(/\(:(\[0-9\]|\[\[:digit:\]\])[+*]\)\??$/, "", tail) || anchored
	kind = ""
	if (sub(/^\^\[\^\.\]\+\\\./, "", tail))
		kind = "*."
	else if (sub(/^\^?\.\+\\\./, "", tail) || sub(/^\^\(?\.\*\)?\\\./, "", tail))
		kind = "**."
	else if (sub(/^\^/, "", tail))
		kind = "="
	if (kind != "" && tail ~ /^([A-Za-z0-9_-]|\\\.)+$/ && tail !~ /\\\.$/ && (kind != "=" || anchored)) {
		if (!anchored)
			unanchored = original
		add_pattern((kind == "=" ? "" : kind) tolower(unescape(tail)))
	} else {
		add_pattern("~" re)
	}
	return 0
}
# fetch, flags and values in word[from..to].
function sample_patterns(word, from, to,   fetch, how, i, v, why) {
	npat = 0
	unanchored = ""
	fetch = tolower(word[from])
	sub(/,lower$/, "", fetch)
	sub(/,(field\(1,:\)|host_only)$/, "", fetch)
	sub(/^req\.hdr/, "hdr", fetch)
	sub(/^req\.fhdr/, "hdr", fetch)
	sub(/^(req_ssl_sni|req\.ssl_sni)/, "sni", fetch)
	sub(/^fc_ssl_sni/, "sni", fetch)
	how = "str"
	if (match(fetch, /^(sni|hdr)_(beg|end|sub|reg|dom|dir|str)/)) {
		how = substr(fetch, 5, 3)
		fetch = substr(fetch, 1, 3) substr(fetch, 8)
	}
	if (fetch == "hdr(host)" || fetch == "hdr(host,1)" || fetch == "hdr(host,-1)")
		sample = "host"
	else if (fetch == "sni")
		sample = "sni"
	else
		return "only the names that clients ask for decide in durward"
	for (i = from + 1; i <= to; i++) {
		if (word[i] == "-i" || word[i] == "-n")
			continue
		if (word[i] == "-m") {
			how = word[++i]
			continue
		}
		if (word[i] == "--") {
			i++
			break
		}
		if (word[i] == "-f" || word[i] == "-M" || word[i] ~ /^-[a-z]$/)
			return "durward does not read names from a file: put them into hosts"
		break
	}
	if (how == "found") {
		add_pattern("~.")
		return 0
	}
	if (i > to)
		return "there is no name in it"
	for (; i <= to; i++) {
		v = word[i]
		if (how == "str") {
			v = tolower(v)
			sub(/:[0-9]+$/, "", v)
			sub(/\.$/, "", v)
			if (v !~ /^[a-z0-9_.-]+$/)
				return "no host is called so: " word[i]
			add_pattern(v)
		} else if (how == "end") {
			v = tolower(v)
			if (v ~ /^\.[a-z0-9_.-]+$/)
				add_pattern("**" v)
			else
				add_pattern("~" literal(v) "$")
		} else if (how == "beg")
			add_pattern("~^" literal(v))
		else if (how == "sub")
			add_pattern("~" literal(v))
		else if (how == "dom")
			add_pattern("~(^|\\.)" literal(v) "(\\.|$)")
		else if (how == "reg") {
			if ((why = regex_pattern(v)) != 0)
				return why
		} else
			return "no such match in durward: -m " how
	}
	return 0
}

# acl NAME fetch ...: kept as words, read where a rule uses it
function read_acl(p,   k, i, n) {
	n = ++nacl[p, w[2]]
	k = p SUBSEP w[2] SUBSEP n
	acl_line[k] = FNR
	acl_text[k] = shown
	for (i = 3; i <= nw; i++)
		acl_word[k, i - 2] = w[i]
	acl_words[k] = nw - 2
	acl_names[p] = acl_names[p] " " w[2]
}

# The rule sends what matches the words of one term to the backend b.
function term_rule(p, b, term, n, line, text,   i, j, k, why, tmp) {
	if (n == 1 && ((p, term[1]) in nacl)) {
		for (i = 1; i <= nacl[p, term[1]]; i++) {
			k = p SUBSEP term[1] SUBSEP i
			for (j = 1; j <= acl_words[k]; j++)
				tmp[j] = acl_word[k, j]
			why = sample_patterns(tmp, 1, acl_words[k])
			acl_used[k] = 1
			if (why != 0) {
				leave_at(p, acl_line[k], acl_text[k], why)
				leave_at(p, line, text, "for it needs " term[1])
				continue
			}
			keep_patterns(p, b, acl_line[k], acl_text[k])
		}
		return
	}
	why = no_pattern(p, term, n)
	if (why != "") {
		leave_at(p, line, text, why)
	} else {
		why = sample_patterns(term, 2, n - 1)
		if (why == 0)
			keep_patterns(p, b, line, text)
		else
			leave_at(p, line, text, why)
	}
}
# Why a term is not one condition in braces; "" where it is.
function no_pattern(p, term, n,   i, depth, things) {
	for (i = 1; i <= n; i++) {
		if (depth == 0 && term[i] != "!")
			things++
		if (term[i] ~ /^!*\{$/)
			depth++
		else if (term[i] == "}")
			depth--
	}
	if (things > 1)
		return "durward looks at one thing, the name that a client asks for"
	if (term[1] ~ /^!/)
		return "durward has no negation: it takes a client for the name that it asks for"
	if (term[1] ~ /^(TRUE|FALSE|HTTP.*|LOCALHOST|METH_.*|REQ_CONTENT|RDP_COOKIE|WAIT_END)$/)
		return "durward has none of the ACLs that HAProxy knows by itself"
	if (n == 1)
		return "there is no ACL of this name: " term[1]
	return term[1] == "{" && term[n] == "}" ? "" : "this condition is not understood"
}
function keep_patterns(p, b, line, text,   i, k, why) {
	proto_hint[p] = proto_hint[p] " " sample
	if (unanchored != "")
		remark_at(p, line, text, "durward matches all of a name: what goes on after this one is no longer taken")
	for (i = 1; i <= npat; i++) {
		why = shadowed(p, b, pat[i])
		if (why != "") {
			if (why != "same")
				remark_at(p, line, text, pat[i] " was never taken by this rule: " why " stood before it")
			continue
		}
		overlaps(p, b, pat[i], line, text)
		k = ++npair[p]
		pair_pattern[p, k] = pat[i]
		pair_backend[p, k] = b
	}
}
# HAProxy takes the first rule that matches, durward the most specific
# pattern: one that an earlier rule hid must not come to light.
function shadowed(p, b, pattern,   i, old) {
	for (i = 1; i <= npair[p]; i++) {
		old = pair_pattern[p, i]
		if (old == pattern)
			return pair_backend[p, i] == b ? "same" : old
		if (pair_backend[p, i] != b && covers(old, pattern))
			return old
	}
	return ""
}
function covers(old, new,   suffix, label) {
	if (new ~ /^~/)
		return 0
	if (old ~ /^~/)
		return new !~ /^\*/ && new ~ substr(old, 2)
	if (old !~ /^\*/)
		return 0
	suffix = old
	sub(/^\*+/, "", suffix)
	label = new
	sub(/^\*+/, "x", label)
	if (length(label) <= length(suffix) || substr(label, length(label) - length(suffix) + 1) != suffix)
		return 0
	if (old ~ /^\*\*/)
		return 1
	label = substr(label, 1, length(label) - length(suffix))
	return new !~ /^\*\*/ && index(label, ".") == 0
}
# The literal end of an expression that must match up to the end of a name.
function tail_of(re,   t, out) {
	if (re !~ /\$$/)
		return ""
	t = substr(re, 1, length(re) - 1)
	while (match(t, /(\\\.|[A-Za-z0-9_-])$/)) {
		out = substr(t, RSTART) out
		t = substr(t, 1, RSTART - 1)
	}
	return tolower(unescape(out))
}
function ends_with(s, end) {
	return length(s) >= length(end) && substr(s, length(s) - length(end) + 1) == end
}
# An expression in an earlier rule gets what it matches; in durward a wildcard
# goes before it.  All is well where no name can match both.
function overlaps(p, b, pattern, line, text,   i, old, tail, suffix) {
	if (pattern !~ /^\*/)
		return
	suffix = pattern
	sub(/^\*+/, "", suffix)
	for (i = 1; i <= npair[p]; i++) {
		old = pair_pattern[p, i]
		if (old !~ /^~/ || pair_backend[p, i] == b)
			continue
		tail = tail_of(substr(old, 2))
		if (tail != "" && !ends_with(tail, suffix) && !ends_with(suffix, tail))
			continue
		leave_at(p, line, text, "the order: names that " substr(old, 2) " of an earlier rule matches as well\n#     get " pattern ", for durward asks expressions last")
	}
}
# Expressions are asked in the order of the new file, which may be another.
function expression_order(f,   i, k, last, from) {
	for (i = 1; i <= npair[f]; i++) {
		if (pair_pattern[f, i] !~ /^~/ || !((f, pair_backend[f, i]) in svc_of))
			continue
		k = svc_of[f, pair_backend[f, i]]
		k = rank[svc_cluster[k]] * 100000 + k
		if (k < last)
			leave_at(f, line_of[f], kind_of[f] " " title_of[f], "the order of expressions: " pair_pattern[f, i] " comes before\n#     " from " now; it matters to names that both match")
		last = k
		from = pair_pattern[f, i]
	}
}
# Rules come in order, after all ACLs of the proxy are known.
function read_rule(p, r,   n, i, term, nt, b, word) {
	n = rule_words[p, r]
	b = rule_word[p, r, 2]
	if (b ~ /%\[/) {
		leave_at(p, rule_line[p, r], rule_text[p, r], "durward has no computed names of backends; name the hosts of each")
		return
	}
	if (n == 2) {
		put_default(p, b)
		return
	}
	if (rule_word[p, r, 3] != "if") {
		leave_at(p, rule_line[p, r], rule_text[p, r], "durward has no such condition")
		return
	}
	for (i = 4; i <= n + 1; i++) {
		word = i > n ? "||" : rule_word[p, r, i]
		if (word == "||" || word == "or" || word == "OR") {
			if (nt > 0)
				term_rule(p, b, term, nt, rule_line[p, r], rule_text[p, r])
			nt = 0
		} else
			term[++nt] = word
	}
}
function put_default(p, b) {
	if (!given(p, "default"))
		put(p, "default", b)
}
