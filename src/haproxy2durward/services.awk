# SPDX-License-Identifier: ISC
# Pairs of frontend and backend become services.

# That of p, whose defaults may be others than those for the whole file: what
# it does not have is another one or none to HAProxy.
function timeout_of(p, key) {
	if (given(p, "timeout " key))
		return get(p, "timeout " key)
	if (base[key] == "")
		return ""
	if (key == "queue")
		return timeout_of(p, "connect")
	if (key == "http-keep-alive" && given(p, "timeout http-request"))
		return timeout_of(p, "http-request")
	if (key ~ /^http-/)
		return timeout_of(p, "client")
	return 0
}
# One "key = value" for each timeout of p that is not the file-wide one.
function own_timeouts(p, list,   k, n, i, s, t) {
	n = split(list, k, " ")
	for (i = 1; i <= n; i++) {
		t = timeout_of(p, k[i])
		if (t != "" && t != base[k[i]])
			s = s "  " TIMEOUT[k[i]] " = " duration(t)
	}
	return s
}
function least(a, b) {
	if (a == "")
		return b
	if (b == "")
		return a
	return a + 0 < b + 0 ? a : b
}
function idle_of(f, b,   t) {
	if (given(b, "timeout tunnel"))
		return get(b, "timeout tunnel")
	t = least(get(f, "timeout client"), get(b, "timeout server"))
	return t == "" && idle != "" ? 0 : t
}

# The protocol of a frontend: HTTP where HAProxy reads it, or the port says so.
function protocol_of(f,   port) {
	port = get(f, "port")
	if (get(f, "mode") == "http")
		return "http"
	if (proto_hint[f] ~ /sni/)
		return "tls"
	if (proto_hint[f] ~ /host/ || port == "80" || port == "8080")
		return "http"
	return "tls"
}
function backend_key(b) {
	if (("B " b) in kind_of)
		return "B " b
	if (("F " b) in kind_of && kind_of["F " b] == "listen")
		return "F " b
	return ""
}

# A name in two: words that say what it does make the service, others the
# cluster.  be_api_hub_6443: service api of cluster hub.
function split_name(title, port,   n, part, i, c, s, x) {
	n = split(title, part, /[-_.]/)
	for (i = 1; i <= n; i++) {
		x = tolower(part[i])
		if (x == "" || x ~ /^(be|bk|bck|backend|back|pool|servers?|nodes?|cluster|k8s|kube|kubernetes|ocp|openshift|okd|tcp|lb)$/)
			continue
		if (x ~ /^[0-9]+$/ && (x == port || x ~ /^(80|443|6443|22623|8080|8443)$/))
			continue
		if (x ~ /^(api|apis|apiserver|int|ingress|router|routers|apps|app|http|https|machine|config|mcs|mc|masters?|controlplane|control|plane|workers?|compute|console|web)$/)
			s = s (s == "" ? "" : "-") part[i]
		else
			c = c (c == "" ? "" : "-") part[i]
	}
	if (s ~ /-?(http|https)$/ && s !~ /^https?$/)
		sub(/-?https?$/, "", s)
	if (s == "") {
		s = c == "" ? title : c
		c = c == "" ? "" : c
	}
	the_service = clean(s)
	the_cluster = clean(c == "" ? "default" : c)
}

# How long a probe may take.  With timeout check, HAProxy has one limit for the
# connection, the lesser of timeout connect and inter, and timeout check for the
# answer, and the next probe begins inter after this one.  In durward one limit
# is for both, and probes begin at multiples of inter: where the answer gets
# inter of it at most, a server that is gone is found within an inter of HAProxy.
function probe_limit(b, type, inter,   t, wait) {
	wait = get(b, "timeout check") + 0
	if (wait == 0)
		return inter
	t = get(b, "timeout connect") + 0 > 0 ? least(get(b, "timeout connect"), inter) : inter
	if (wait <= inter)
		return t + wait
	if (type != "tcp" && said[line_of[b, "timeout check"], t + inter]++ == 0)
		remark_at(stood_in[b, "timeout check"], line_of[b, "timeout check"], text_of[b, "timeout check"], \
		    "HAProxy waits so long for the answer, once connected; a probe of durward has\n#     one limit for both, timeout = " duration(t + inter) " with an interval of " duration(inter) ": one that answers\n#     later counts as down")
	return t + inter
}
function check_text(b, proto, servers,   s, i, type, n, t, text, inter, checked, why) {
	s = b SUBSEP "server" SUBSEP 1
	for (i = 1; i <= nserver[b]; i++)
		if (given(b SUBSEP "server" SUBSEP i, "check"))
			checked++
	if (checked == 0)
		return "check { type = \"none\" }"
	for (i = 1; i <= nserver[b]; i++) {
		t = b SUBSEP "server" SUBSEP i
		if (!given(t, "check") || get(t, "inter") != get(s, "inter") || get(t, "rise") != get(s, "rise") || get(t, "fall") != get(s, "fall") || get(t, "port") != get(s, "port"))
			why = get(t, "name")
	}
	if (why != "" && said[b, "checks"]++ == 0)
		leave_at(b, line_of[s, "address"], "checks that differ from server to server", \
		    "durward checks all of a service alike: as the first one, not as " why)
	type = given(b, "check") ? get(b, "check") : "tcp"
	if (given(s, "check-ssl") || given(b, "check-ssl"))
		type = type == "http" ? "https" : "tls"
	if (type != (proto == "tls" ? "tls" : "tcp"))
		text = text " type = \"" type "\""
	inter = ms(given(s, "inter") ? get(s, "inter") : "2s")
	if (inter != 1000)
		text = text " interval = " duration(inter)
	t = probe_limit(b, type, inter)
	if (t != 2000)
		text = text " timeout = " duration(t)
	if (given(s, "rise") && get(s, "rise") != 2)
		text = text " rise = " get(s, "rise")
	if (given(s, "fall") && get(s, "fall") != 3)
		text = text " fall = " get(s, "fall")
	if (given(s, "port") || given(b, "check-port"))
		text = text " port = " (given(s, "port") ? get(s, "port") : get(b, "check-port"))
	if (type ~ /^http/) {
		t = given(b, "check-path") ? get(b, "check-path") : "/"
		if (t != "/readyz")
			text = text " path = " quoted(t)
		t = given(b, "check-host") ? get(b, "check-host") : get(s, "check-sni")
		if (t != "")
			text = text " host = " quoted(t)
		if (given(b, "check-status")) {
			t = get(b, "check-status")
			text = text " status = " quoted(t)
		}
	} else if (type == "tls" && given(s, "check-sni"))
		text = text " host = " quoted(get(s, "check-sni"))
	if (type == "https" && given(s, "ca-file") && get(s, "verify") != "none")
		text = text " ca-file = " quoted(get(s, "ca-file"))
	return text == "" ? "" : "check {" text " }"
}

# What a pair of frontend and backend says beside hosts and servers.
function options_text(f, b, proto,   s, t, n, i, v, u, t_down) {
	t = given(b, "balance") ? get(b, "balance") : "roundrobin"
	if (t != (proto == "tls" ? "source" : "host"))
		s = s "\t\tbalance = \"" t "\"\n"
	if (given(b, "retries") && get(b, "retries") != 3)
		s = s "\t\tretries = " get(b, "retries") "\n"
	if (proto == "http" && !(get(f, "mode") == "http" && (given(b, "forwardfor") || given(f, "forwardfor"))))
		s = s "\t\tforwarded-for = false\n"
	if (proto == "http" && get(f, "mode") == "http" && given(b, "ff-except"))
		leave_once(b, "ff-except", "of this, except: durward adds the address of every client")
	if (proto == "http" && given(b, "name-header"))
		s = s "\t\tserver-name-header = " quoted(get(b, "name-header")) "\n"
	for (i = 1; i <= nserver[b]; i++) {
		t = b SUBSEP "server" SUBSEP i
		v = given(t, "send-proxy-v2") ? "v2" : given(t, "send-proxy") ? "v1" : "off"
		u = u " " v
		if (given(t, "on-marked-down")) {
			n++
			t_down = t
		}
	}
	v = u
	sub(/^ /, "", v)
	sub(/ .*/, "", v)
	t = u
	gsub(" " v, "", t)
	if (t != "" && said[b, "send-proxy"]++ == 0)
		leave_at(b, line_of[b], "send-proxy of some servers only", "durward does it for all of a service, or none")
	if (t == "" && v != "off" && v != "")
		s = s "\t\tsend-proxy = \"" v "\"\n"
	if (n > 0)
		s = s "\t\ton-down = \"close\"\n"
	if (n > 0 && n < nserver[b] && said[b, "on-marked-down"]++ == 0)
		leave_at(b, line_of[t_down, "on-marked-down"], "on-marked-down shutdown-sessions of some servers only", \
		    "durward does it for all of a service now, not only for " get(t_down, "name"))
	t = own_timeouts(b, proto == "tls" ? "connect queue" : "connect server queue")
	v = idle_of(f, b)
	if (v != "" && v != idle)
		t = t "  idle = " duration(v)
	if (t != "")
		s = s "\t\ttimeouts {" substr(t, 2) " }\n"
	t = check_text(b, proto)
	if (t != "")
		s = s "\t\t" t "\n"
	return s
}

# The servers; the port is left out where it is that of the frontend.
function servers_text(f, b, with_ports,   i, s, long, t, a, port, names, word) {
	for (i = 1; i <= nserver[b]; i++) {
		t = b SUBSEP "server" SUBSEP i
		a = get(t, "address")
		port = port_of(a)
		if (a ~ /:.*:/ && a !~ /^\[/ && match(a, /:[0-9]+$/)) {
			port = substr(a, RSTART + 1)
			a = "[" substr(a, 1, RSTART - 1) "]:" port
		}
		if (port == get(f, "port") && port != "" && !given(f, "ports differ"))
			a = host_of(a)
		word = get(t, "name")
		gsub(/[^A-Za-z0-9_.-]/, "-", word)
		if (given(t, "weight") && get(t, "weight") != 1 || given(t, "maxconn") || given(t, "backup"))
			long = long "\t\tserver \"" word "\" { address = " quoted(a) \
			    (given(t, "weight") && get(t, "weight") != 1 ? " weight = " get(t, "weight") : "") \
			    (given(t, "maxconn") && get(t, "maxconn") > 0 ? " max-connections = " get(t, "maxconn") : "") \
			    (given(t, "backup") ? " backup = true" : "") " }\n"
		else
			s = s (s == "" ? "" : ",\n") "\t\t\t" quoted(word "=" a)
	}
	return (s == "" ? "" : "\t\tservers = {\n" s "\n\t\t}\n") long
}

function indent(text, by,   s) {
	if (text == "")
		return ""
	s = by text
	gsub(/\n/, "\n" by, s)
	sub("\n" by "$", "\n", s)
	gsub(/[ \t]+\n/, "\n", s)
	return s
}

# One service for a frontend and a backend, with the patterns between them.
function add_service(f, title, hosts,   b, k, sig, proto, servers, options) {
	b = backend_key(title)
	if (b == "") {
		leave_at(f, line_of[f], "backend " title, "there is none of this name")
		return
	}
	proto = protocol_of(f)
	if (nserver[b] == 0 || given(b, "disabled")) {
		leave_at(f, line_of[f], "backend " title, nserver[b] == 0 ? "it has no server: there is no service without one" : \
		    "it is disabled, and so not here; a wider pattern may get its clients")
		used[b] = 1
		return
	}
	split_name(title_of[b], get(f, "port"))
	servers = servers_text(f, b)
	options = options_text(f, b, proto)
	sig = the_cluster SUBSEP the_service SUBSEP hosts SUBSEP servers SUBSEP options
	used[b] = 1
	if (sig in service_of) {
		k = service_of[sig]
		svc_of[f, title] = k
		if (index(svc_listeners[k] ",", listeners_of(f) ",") == 0)
			svc_listeners[k] = svc_listeners[k] ", " listeners_of(f)
		if (index(svc_from[k], SUBSEP b SUBSEP) == 0)
			svc_from[k] = svc_from[k] b SUBSEP
		return
	}
	k = ++nsvc
	service_of[sig] = k
	svc_of[f, title] = k
	svc_cluster[k] = the_cluster
	svc_name[k] = the_service
	svc_port[k] = get(f, "port")
	svc_listeners[k] = listeners_of(f)
	svc_from[k] = SUBSEP b SUBSEP
	svc_hosts[k] = hosts
	svc_servers[k] = servers
	svc_options[k] = options
	if (!(the_cluster in cluster_seen)) {
		cluster_seen[the_cluster] = 1
		cluster[++ncluster] = the_cluster
		rank[the_cluster] = ncluster
	}
}

function frontend_services(f,   i, n, order, seen, b, hosts, k, d) {
	for (i = 1; i <= nrule[f]; i++) {
		if (given(f, "default")) {
			remark_at(f, rule_line[f, i], rule_text[f, i], "never reached")
			continue
		}
		read_rule(f, i)
	}
	d = given(f, "default") ? get(f, "default") : get(f, "last")
	if (d == "" && kind_of[f] == "listen" && nserver[f] > 0)
		d = title_of[f]
	for (i = 1; i <= npair[f]; i++) {
		b = pair_backend[f, i]
		if (!(b in seen)) {
			seen[b] = ""
			order[++n] = b
		}
		seen[b] = seen[b] (seen[b] == "" ? "" : ",\n\t\t\t") quoted(pair_pattern[f, i])
	}
	if (d != "") {
		if (!(d in seen)) {
			seen[d] = ""
			order[++n] = d
		}
		seen[d] = seen[d] (seen[d] == "" ? "" : ",\n\t\t\t") "\"*\""
	}
	for (i = 1; i <= n; i++)
		add_service(f, order[i], seen[order[i]])
	if (n == 0)
		leave_at(f, line_of[f], kind_of[f] " " title_of[f], "nothing says where its clients go")
	made[f] = n
}
