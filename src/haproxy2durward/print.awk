# SPDX-License-Identifier: ISC
# All of it to paper, once the file was read.

# Of a frontend that has none it is the limit of all.
function maxconn_of(f) {
	return get(f, "maxconn") + 0 > 0 ? get(f, "maxconn") + 0 : get("", "maxconn") + 0
}
function print_listener(f,   proto) {
	proto = is_stats[f] ? "stats" : protocol_of(f)
	printf "%s", notes[f]
	if (given(f, "disabled"))
		print "# " kind_of[f] " " title_of[f] ": disabled, so nothing of it is here."
	if (given(f, "disabled") || get(f, "bind") == "")
		return
	if (!is_stats[f] && proto == "tls" && get(f, "port") !~ /^(443|6443|8443|22623|9443|9345|4443|10443)$/ && proto_hint[f] !~ /sni/)
		print "# durward takes TLS here, and refuses all else; for plain HTTP: protocol = \"http\"."
	if (!is_stats[f] && proto == "http" && get(f, "mode") != "http")
		print "# Bytes for HAProxy, HTTP for durward: see haproxy2durward(1)."
	print_listener_of(f, proto, title_of[f], get(f, "bind"), given(f, "accept-proxy"))
	if (given(f, "extra")) {
		print "# The addresses of " title_of[f] " whose clients begin with a PROXY header; limits are\n# those of each listener now."
		print_listener_of(f, proto, get(f, "extra"), get(f, "bind-proxy"), 1)
	}
}
function print_listener_of(f, proto, title, addresses, is_proxied,   t, a, i) {
	print "listener " quoted(clean(title)) " {"
	print "\tbind = {" addresses "}"
	print "\tprotocol = \"" proto "\""
	t = maxconn_of(f)
	if (t > 0)
		print "\tmax-connections = " t
	if (get(f, "backlog") + 0 > 0)
		print "\tbacklog = " get(f, "backlog")
	if (is_proxied)
		print "\taccept-proxy = {\"0.0.0.0/0\", \"::/0\"}"
	if (is_stats[f]) {
		print "\turi = " quoted(given(f, "stats-uri") ? get(f, "stats-uri") : "/haproxy?stats")
		if (given(f, "auth")) {
			a = get(f, "auth")
			i = index(a, ":")
			print "\tuser = " quoted(substr(a, 1, i - 1))
			print "\tpassword = " quoted(substr(a, i + 1))
		}
		print "\trefresh = " duration(given(f, "refresh") ? get(f, "refresh") : 0)
		if (!given(f, "hide-version"))
			print "\thide-version = false"
		if (!given(f, "show-node"))
			print "\tshow-node = false"
	}
	t = proto == "tls" ? "" : own_timeouts(f, "client http-request http-keep-alive")
	if (proto == "tls" && given(f, "inspect") && get(f, "inspect") != 5000)
		t = t "  handshake = " duration(get(f, "inspect"))
	if (t != "")
		print "\ttimeouts {" substr(t, 2) " }"
	print "}\n"
}

function print_service(k,   n, part, i, name_is, listeners) {
	n = split(svc_from[k], part, SUBSEP)
	for (i = 1; i <= n; i++)
		if (part[i] != "" && kind_of[part[i]] == "backend") {
			printf "\t# backend %s\n", title_of[part[i]]
			printf "%s", indent(notes[part[i]], "\t")
			notes[part[i]] = ""
		}
	print "\tservice \"" svc_name[k] "\" {"
	if (svc_listeners[k] != quoted(svc_name[k]))
		print "\t\tlisteners = {" svc_listeners[k] "}"
	if (index(svc_hosts[k], "\n") > 0)
		print "\t\thosts = {\n\t\t\t" svc_hosts[k] "\n\t\t}"
	else
		print "\t\thosts = {" svc_hosts[k] "}"
	printf "%s%s", svc_servers[k], svc_options[k]
	print "\t}"
}

END {
	if (!any) {
		warn((file == "-" ? "standard input" : name) ": nothing in it")
		exit 2
	}
	TIMEOUT["client"] = "client"
	TIMEOUT["server"] = "server"
	TIMEOUT["connect"] = "connect"
	TIMEOUT["queue"] = "queue"
	TIMEOUT["http-request"] = "request"
	TIMEOUT["http-keep-alive"] = "keep-alive"

	nt = split(TIMED, timeouts, " ")
	# the first defaults section is for all; of another one, each proxy has its own
	for (i = 1; i <= nt; i++)
		base[timeouts[i]] = get(first_defaults, "timeout " timeouts[i]) ""
	idle = base["tunnel"] != "" ? base["tunnel"] : least(base["client"], base["server"])

	for (i = 1; i <= nfront; i++) {
		f = front[i]
		if (given(f, "disabled"))
			continue
		settle_binds(f)
		if (stood_in[f, "stats"] != f && get(f, "mode") != "http")
			delete has[f, "stats"]
		if (given(f, "stats") && nrule[f] == 0 && nserver[f] == 0 && (get(f, "last") == "" || get(f, "stats-uri") == "/" || kind_of[f] == "listen")) {
			is_stats[f] = 1
			if (!given(f, "auth") && !is_local(get(f, "bind") (given(f, "extra") ? ", " get(f, "bind-proxy") : ""))) {
				leave_at(f, line_of[f], kind_of[f] " " title_of[f], "without a password durward shows its statistics to this host only")
				put(f, "bind", quoted("127.0.0.1:" get(f, "port")))
				delete has[f, "extra"]
			}
			continue
		}
		if (given(f, "stats"))
			leave_once(f, "stats", "statistics have a listener of their own in durward")
		if (get(f, "bind") == "") {
			leave_at(f, line_of[f], kind_of[f] " " title_of[f], "nothing is left to listen on")
			continue
		}
		if (given(f, "ff-except") && get(f, "mode") == "http")
			leave_once(f, "ff-except", "of this, except: durward adds the address of every client")
		frontend_services(f)
	}
	for (i = 1; i <= nfront; i++) {
		f = front[i]
		for (n = split(acl_names[f], list, " "); n > 0; n--)
			for (k = 1; k <= nacl[f, list[n]]; k++)
				if (!((f SUBSEP list[n] SUBSEP k) in acl_used)) {
					acl_used[f SUBSEP list[n] SUBSEP k] = 1
					remark_at(f, acl_line[f SUBSEP list[n] SUBSEP k], acl_text[f SUBSEP list[n] SUBSEP k], "no rule that was carried over uses it")
				}
	}

	for (i = 1; i <= nfront; i++)
		expression_order(front[i])

	print "# durward.conf, made from " (file == "-" ? "an HAProxy configuration" : name) " by haproxy2durward."
	print "#"
	print "# Clients go to the same backends as before.  Which of the servers one gets,"
	print "# where that is by a hash, is another; it stays with it all the same."
	print "# Check it: durward -t -c FILE"
	print ""
	printf "%s", notes["global"]
	if (given("", "log"))
		print "log = " quoted(get("", "log"))
	if (given("", "log-level"))
		print "log-level = " quoted(get("", "log-level"))
	if (get("", "maxconn") + 0 > 0)
		print "max-connections = " get("", "maxconn")
	if (given("", "grace"))
		print "drain-delay = " duration(get("", "grace"))
	if (given("", "drain"))
		print "drain-timeout = " duration(get("", "drain"))
	print ""
	for (i = 1; i <= ndefaults; i++)
		printf "%s", notes["defaults " i]
	text = ""
	for (i = 1; i <= nt; i++)
		if (timeouts[i] in TIMEOUT && base[timeouts[i]] != "")
			text = text "\t" TIMEOUT[timeouts[i]] " = " duration(base[timeouts[i]]) "\n"
	if (idle != "")
		text = text "\t# TLS: no byte in either direction.  HAProxy cut quiet connections so soon;\n" \
		    "\t# \"1h\" lets kubectl exec, logs and watches live.\n\tidle = " duration(idle) "\n"
	if (text != "")
		print "timeouts {\n" text "}\n"

	for (i = 1; i <= nfront; i++)
		print_listener(front[i])

	# names that two services of a cluster would share get their port
	for (k = 1; k <= nsvc; k++)
		count[svc_cluster[k], svc_name[k]]++
	for (k = 1; k <= nsvc; k++) {
		n = svc_name[k]
		if (count[svc_cluster[k], n] > 1)
			n = n "-" svc_port[k]
		for (i = 2; (svc_cluster[k], n) in taken; i++)
			n = svc_name[k] "-" svc_port[k] "-" i
		taken[svc_cluster[k], n] = 1
		final[k] = n
	}
	for (i = 1; i <= ncluster; i++) {
		print "cluster " quoted(cluster[i]) " {"
		first = 1
		for (k = 1; k <= nsvc; k++)
			if (svc_cluster[k] == cluster[i]) {
				if (!first)
					print ""
				first = 0
				svc_name[k] = final[k]
				print_service(k)
			}
		print "}\n"
	}
	for (i = 1; i <= nback; i++) {
		b = back[i]
		if (kind_of[b] != "backend")
			continue
		if (given(b, "stats") && get(b, "mode") == "http" && stood_in[b, "stats"] == b)
			leave_once(b, "stats", "statistics have a listener of their own in durward")
		if (notes[b] != "")
			printf "# backend %s\n%s\n", title_of[b], notes[b]
		if (!(b in used))
			print "# backend " title_of[b] ": nothing sends clients to it, so it is not here."
	}
	printf "%s", notes["end"]
	if (left > 0) {
		warn((file == "-" ? "" : name ": ") left " thing" (left > 1 ? "s" : "") " could not be carried over; see LEFT OUT in the result")
		close("cat 1>&2")
		exit 1
	}
}
