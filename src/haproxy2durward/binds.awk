# SPDX-License-Identifier: ISC
# Addresses, and the listeners that they make.

# bind address -> durward; "" where there is no such thing
function bind_address(a, v4v6,   host, port, i) {
	sub(/^ipv4@/, "", a)
	sub(/^ipv6@/, "", a)
	sub(/^unix@/, "", a)
	if (a ~ /^\//)
		return "unix:" a
	if (a ~ /[@$]/ || !match(a, /:[0-9]+$/))
		return ""
	host = substr(a, 1, RSTART - 1)
	port = substr(a, RSTART + 1)
	if (host == "" || host == "*" || ((host == "::" || host == "[::]") && v4v6))
		return "*:" port
	if (host ~ /^\[.*\]$/ || host !~ /:/)
		return host ":" port
	return "[" host "]:" port
}
function port_of(a) {
	if (match(a, /:[0-9]+$/) && (a !~ /:.*:/ || a ~ /\]:[0-9]+$/))
		return substr(a, RSTART + 1)
	return ""
}
function host_of(a,   p) {
	p = port_of(a)
	return p == "" ? a : substr(a, 1, length(a) - length(p) - 1)
}

function read_bind(p,   i, n, part, a, list, v4v6, limit) {
	list = "bind"
	for (i = 3; i <= nw; i++)
		if (w[i] == "ssl" || w[i] == "crt") {
			leave(p, "durward does not end TLS: it passes it on to the cluster")
			return
		}
	for (i = 3; i <= nw; i++) {
		if (w[i] == "v4v6")
			v4v6 = 1
		else if (w[i] == "accept-proxy")
			list = "bind-proxy"
		else if (w[i] ~ /^(maxconn|backlog)$/) {
			limit[w[i]] = count_of(p, w[i + 1], w[i] == "backlog" ? 65535 : 1000000)
			i++
		} else if (w[i] ~ /^(name|id|process|thread|nice|shards)$/)
			i++
		else if (w[i] !~ /^(defer-accept|v6only|tfo)$/) {
			leave(p, "the option " w[i] " of this address is not known here")
			if (w[i + 1] !~ /^(v4v6|accept-proxy)$/)
				i++
		}
	}
	n = split(w[2], part, ",")
	for (i = 1; i <= n; i++) {
		a = bind_address(part[i], v4v6)
		if (a == "")
			leave(p, "durward has no such address: " part[i])
		else {
			add_bind(p, a, list)
			nbind[p]++
			limit_bind(p, "maxconn", limit["maxconn"])
			limit_bind(p, "backlog", limit["backlog"])
		}
	}
	if (n > 0 && !given(p, "port"))
		put(p, "port", port_of(part[1]))
}
# A limit of one address.
function limit_bind(p, key, value) {
	if (value + 0 == 0)
		return
	bind_limits[p, key]++
	bind_sum[p, key] += value
	if (value > bind_most[p, key] + 0)
		bind_most[p, key] = value
	bind_line[p, key] = FNR
	bind_text[p, key] = shown
}
# An address once; "*" is that of IPv6 too.
function add_bind(p, a, key,   have, port, list) {
	have = get(p, key)
	port = port_of(a)
	list = ", " have ", "
	if (index(list, ", " quoted(a) ", ") || (a ~ /^(\[::\]|0\.0\.0\.0):/ && index(list, ", " quoted("*:" port) ", ")))
		return
	if (a ~ /^\*:/) {
		have = without(have, "[::]:" port)
		have = without(have, "0.0.0.0:" port)
	}
	put(p, key, have (have == "" ? "" : ", ") quoted(a))
}
function without(addresses, a,   n, i, part, list) {
	n = split(addresses, part, ", ")
	for (i = 1; i <= n; i++)
		if (part[i] != quoted(a))
			list = list (list == "" ? "" : ", ") part[i]
	return list
}
# Once all of the addresses of p are known.  What HAProxy knows of one address
# is of a whole listener in durward.
function settle_binds(p,   n, most) {
	n = bind_limits[p, "maxconn"] + 0
	most = maxconn_of(p)
	if (n > 0 && n == nbind[p] + 0) {
		put(p, "maxconn", least(least(bind_sum[p, "maxconn"], most > 0 ? most : ""), 1000000))
		if (n > 1)
			leave_bind(p, "maxconn", "of each address; durward counts those of a listener together")
	} else if (n > 0)
		leave_bind(p, "maxconn", "of one address, maxconn cannot be: the listener has that of all")
	n = bind_limits[p, "backlog"] + 0
	if (n > 0) {
		most = get(p, "backlog") + 0
		if (n == nbind[p] + 0 || most < bind_most[p, "backlog"])
			most = bind_most[p, "backlog"]
		put(p, "backlog", most)
		if (n < nbind[p] || n * most != bind_sum[p, "backlog"])
			leave_bind(p, "backlog", "of one address, backlog cannot be: the largest is for all of the listener")
	}
	settle_proxy_binds(p)
}
function leave_bind(p, key, why) {
	leave_at(p, bind_line[p, key], bind_text[p, key], why)
}
# Where clients of some addresses begin with a PROXY header and those of others
# do not, two listeners: who need not send it must not, or could lie.
function settle_proxy_binds(p,   one, other, extra) {
	if (!given(p, "bind-proxy"))
		return
	one = get(p, "bind")
	other = get(p, "bind-proxy")
	if (one == "") {
		put(p, "bind", other)
		put(p, "accept-proxy", 1)
		return
	}
	for (extra = title_of[p] "-proxy"; ("F " extra) in kind_of; extra = extra "-proxy")
		;
	kind_of["F " extra] = "extra"
	put(p, "extra", extra)
	put(p, "bind", beside(one, other))
	put(p, "bind-proxy", beside(other, one))
	if (first_port(one) != first_port(other))
		put(p, "ports differ", 1)
}
# "*" takes IPv6 as well, which the other list may want; to HAProxy it did not.
function beside(addresses, other,   n, i, part, list, port) {
	n = split(addresses, part, ", ")
	for (i = 1; i <= n; i++) {
		port = first_port(part[i])
		if (part[i] == quoted("*:" port) && index(other ",", ":" port "\","))
			part[i] = quoted("0.0.0.0:" port)
		list = list (list == "" ? "" : ", ") part[i]
	}
	return list
}
function is_local(addresses,   n, part) {
	for (n = split(addresses, part, ", "); n > 0; n--)
		if (part[n] !~ /^"(127\.|\[::1\]:|unix:)/)
			return 0
	return 1
}
function first_port(addresses) {
	sub(/",.*/, "", addresses)
	sub(/"$/, "", addresses)
	return port_of(addresses)
}
# The listeners of a frontend, as services name them.
function listeners_of(f) {
	return quoted(clean(title_of[f])) (given(f, "extra") ? ", " quoted(clean(get(f, "extra"))) : "")
}
