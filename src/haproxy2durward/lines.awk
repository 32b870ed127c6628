# SPDX-License-Identifier: ISC
# Each line of the file, by its first word.

function read_stats(p,   x, k, n) {
	x = w[2]
	# its own are instead of all that it has from elsewhere
	if (given(p, "stats") && stood_in[p, "stats"] != p)
		for (n = split(STATS, k, " "); n > 0; n--)
			delete has[p, k[n]]
	put(p, "stats", 1)
	if (x == "enable")
		return
	if (x == "show-legends" || x == "show-desc" || x == "realm") {
		remark(p, "no counterpart, none needed")
		return
	}
	if (x == "uri" && (w[3] !~ /^\// || w[3] ~ /[ \t\r\n#;]/))
		leave(p, "for durward it begins with / and has no white space, # or ; in it;\n#     the page is at " (given(p, "stats-uri") ? get(p, "stats-uri") : "/haproxy?stats"))
	else if (x == "uri")
		put(p, "stats-uri", w[3])
	else if (x == "hide-version")
		put(p, "hide-version", 1)
	else if (x == "show-node")
		put(p, "show-node", 1)
	else if (x == "refresh" && ms(w[3] ~ /[a-z]$/ ? w[3] : w[3] "s") >= 0)
		put(p, "refresh", ms(w[3] ~ /[a-z]$/ ? w[3] : w[3] "s"))
	else if (x == "auth" && given(p, "auth"))
		leave(p, "durward knows one user of the statistics")
	else if (x == "auth" && w[3] !~ /^[^:]+:./)
		leave(p, "in durward a user has a password")
	else if (x == "auth" && w[3] ~ /^[^:]*:\$/)
		leave(p, "HAProxy takes this password as it is; in durward one that begins with $ is a\n#     crypt(3) hash.  Write that of it, as openssl passwd -6 makes it, or take another")
	else if (x == "auth")
		put(p, "auth", w[3])
	else if (x == "admin")
		leave(p, "the page shows, durwardctl acts: drain, maint, ready")
	else
		leave(p, "")
}
function read_timeout(p,   n) {
	n = ms(w[3])
	if (n < 0)
		leave(p, "no duration: " w[3])
	else if (w[2] ~ /^(client|server|connect|queue|tunnel|check|http-request|http-keep-alive)$/)
		put(p, "timeout " w[2], n)
	else if (w[2] ~ /^(client-fin|server-fin|tarpit|client-hs)$/)
		remark(p, "no counterpart, none needed: a half-closed connection ends by idle, or when its peer has gone")
	else
		leave(p, "")
}
function read_option(p,   x) {
	x = w[2]
	if (x == "ssl-hello-chk")
		put(p, "check", "tls")
	else if (x == "tcp-check")
		put(p, "check", "tcp")
	else if (x == "httpchk") {
		put(p, "check", "http")
		if (nw == 3)
			put(p, "check-path", w[3])
		else if (nw >= 4)
			put(p, "check-path", w[4])
		if (nw == 2 || (nw > 3 && w[3] != "GET") || nw == 3)
			remark(p, "durward asks with GET")
		if (match(shown, /Host:[ \\]*[A-Za-z0-9._-]+/)) {
			x = substr(shown, RSTART + 5, RLENGTH - 5)
			gsub(/[ \\]/, "", x)
			put(p, "check-host", x)
		}
	} else if (x == "forwardfor") {
		put(p, "forwardfor", 1)
		delete has[p, "ff-except"]
		if (nw > 2)
			option_forwardfor(p)
	} else if (x ~ /^(tcplog|httplog|httpslog|redispatch|log-health-checks|dontlognull|http-keep-alive|http-server-close|tcpka|clitcpka|srvtcpka|splice-auto|splice-request|splice-response|contstats|socket-stats|tcp-smart-accept|tcp-smart-connect|prefer-last-server|allbackups)$/) {
		if (x == "allbackups" || x == "http-server-close")
			remark(p, x == "allbackups" ? "so it is in durward" : \
			    "durward keeps connections to servers for the next request")
	} else
		leave(p, "")
}
function option_forwardfor(p,   i, more) {
	for (i = 3; i <= nw; i++)
		if (w[i] == "except") {
			put(p, "ff-except", 1)
			i++
		} else
			more = 1
	if (more) {
		delete has[p, "ff-except"]
		leave(p, "X-Forwarded-For, appended for every client, is all that durward adds")
	}
}
function read_http_check(p,   i) {
	if (w[2] == "expect" && w[3] == "status" && w[4] ~ /^[0-9,-]+$/)
		put(p, "check-status", w[4])
	else if (w[2] == "send") {
		for (i = 3; i < nw; i += 2) {
			if (w[i] == "uri")
				put(p, "check-path", w[i + 1])
			else if (w[i] == "hdr") {
				if (tolower(w[i + 1]) == "host")
					put(p, "check-host", w[i + 2])
				else
					leave(p, "durward sends no such field")
				i++
			} else if (w[i] == "meth" && w[i + 1] != "GET")
				remark(p, "durward asks with GET")
			else if (w[i] !~ /^(meth|ver)$/)
				leave(p, "")
		}
	} else if (w[2] == "connect" && shown ~ / ssl( |$)/) {
		put(p, "check-ssl", 1)
		if (match(shown, / port [0-9]+/))
			put(p, "check-port", substr(shown, RSTART + 6, RLENGTH - 6))
		if (match(shown, / sni [^ ]+/))
			put(p, "check-sni", substr(shown, RSTART + 5, RLENGTH - 5))
	} else
		leave(p, "")
}
function read_log(p, global,   to, facility, i) {
	if (w[2] == "global" || w[1] == "no")
		return
	to = w[2]
	for (i = 3; i <= nw && w[i] ~ /^(len|format|sample|ring|profile)$/; i += 2)
		;
	facility = w[i]
	if (given("", "log")) {
		leave(p, "durward writes one log")
		return
	}
	if (to ~ /^std(out|err)$/)
		put("", "log", "stderr")
	else if (to ~ /^\//)
		put("", "log", "syslog:" facility)
	else if (to ~ /^[0-9.]+(:[0-9]+)?$/)
		put("", "log", "udp:" to (to ~ /:/ ? "" : ":514") ":" facility)
	else {
		leave(p, "durward logs to syslog, udp:ADDRESS:PORT:FACILITY, a file or stderr")
		return
	}
	if (w[i + 1] != "")
		put("", "log-level", w[i + 1] ~ /^(emerg|alert|crit)$/ ? "err" : w[i + 1])
}
function read_global(  x) {
	x = w[1]
	if (x == "maxconn")
		put("", "maxconn", count_of("global", w[2], 1000000))
	else if (x == "log")
		read_log("global", 1)
	else if (x == "hard-stop-after" && ms(w[2]) >= 0)
		put("", "drain", ms(w[2]))
	else if (x == "grace" && ms(w[2]) >= 0)
		put("", "grace", ms(w[2]))
	else if (x == "daemon")
		return
	else if (x == "pidfile")
		remark("global", "pid-file, where the default will not do")
	else if (x == "user" || x == "group" || x == "chroot" || x == "uid" || x == "gid")
		remark("global", "durward leaves root for a user of its own, in an empty directory")
	else if (x == "stats")
		remark("global", "durwardctl has a socket of its own")
	else if (x ~ /^(nbthread|nbproc|cpu-map|ulimit-n|spread-checks|maxpipes|master-worker|node|description|external-check)$/ || x ~ /^(tune\.|ssl-|ca-base|crt-base|log-tag|log-send-hostname|h1-|expose-|set-dumpable|no)/)
		remark("global", "no counterpart, none needed")
	else
		leave("global", "")
}
function count_of(p, n, most) {
	if (n + 0 <= most)
		return n + 0
	leave(p, "durward counts to " most)
	return most
}
# HAProxy refuses these where they stand, or passes over them.
function is_misplaced(x) {
	if (x == "server")
		return section == "frontend" || section == "defaults"
	if (x == "use_backend" || x == "bind")
		return section == "backend" || section == "defaults"
	return section == "backend" && (x == "default_backend" || x == "maxconn" || x == "backlog")
}
function read_line(p,   x, i) {
	x = w[1]
	if (is_misplaced(x)) {
		leave(p, "HAProxy does not read this in a section of this kind")
	} else if (x == "mode") {
		if (w[2] == "tcp" || w[2] == "http")
			put(p, "mode", w[2])
		else
			leave(p, "durward knows TLS and HTTP")
	} else if (x == "bind")
		read_bind(p)
	else if (x == "log" || (x == "no" && w[2] == "log"))
		read_log(p, 0)
	else if (x == "maxconn")
		put(p, "maxconn", count_of(p, w[2], 1000000))
	else if (x == "backlog")
		put(p, "backlog", count_of(p, w[2], 65535))
	else if (x == "retries") {
		if (w[2] ~ /^[0-9]+$/)
			put(p, "retries", w[2])
		else
			leave(p, "this is no number: " w[2])
	} else if (x == "timeout")
		read_timeout(p)
	else if (x == "option")
		read_option(p)
	else if (x == "no" && w[2] == "option") {
		if (w[3] == "forwardfor")
			delete has[p, "forwardfor"]
		else if (w[3] == "redispatch")
			leave(p, "durward always goes on to another server")
	} else if (x == "stats")
		read_stats(p)
	else if (x == "acl")
		read_acl(p)
	else if (x == "use_backend") {
		i = ++nrule[p]
		rule_line[p, i] = FNR
		rule_text[p, i] = shown
		rule_words[p, i] = nw
		for (x = 1; x <= nw; x++)
			rule_word[p, i, x] = w[x]
	} else if (x == "default_backend") {
		put(p, "last", w[2])
	} else if (x == "balance")
		read_balance(p)
	else if (x == "hash-type") {
		if (w[2] != "consistent")
			remark(p, "all hashing in durward is consistent")
	} else if (x == "server")
		read_server(p)
	else if (x == "default-server")
		read_server_words(p, p " server", 2)
	else if (x == "http-check")
		read_http_check(p)
	else if (x == "tcp-request" && w[2] == "inspect-delay" && ms(w[3]) >= 0)
		put(p, "inspect", ms(w[3]))
	else if (x == "tcp-request" && rest(2) ~ /^content accept if \{ req[._]ssl_hello_type 1 \}$/)
		return
	else if (x == "tcp-request" && rest(2) ~ /^content reject if !\{ req[._]ssl_hello_type 1 \}$/)
		return
	else if (x == "tcp-request" && rest(2) ~ /^content accept if HTTP$/)
		return
	else if (x == "http-send-name-header" && tolower(w[2]) == "host")
		leave(p, "WARNING: this overwrites the Host that the client asked for by the name of the\n#     server, and no ingress knows a site of that name.  durward passes Host on.")
	else if (x == "http-send-name-header")
		put(p, "name-header", w[2])
	else if (x == "fullconn" || x == "http-reuse" || x == "id" || x == "description" || x == "bind-process")
		remark(p, "no counterpart, none needed")
	else if (x == "disabled")
		put(p, "disabled", 1)
	else if (x == "enabled")
		delete has[p, "disabled"]
	else if (x == "monitor-uri" || x == "monitor")
		leave(p, "/healthz of a stats listener answers such questions")
	else if (x == "errorfile" || x == "errorloc" || x == "http-error")
		leave(p, "the answers of durward are its own")
	else if (x ~ /^(http-request|http-response|redirect|reqadd|rspadd|compression|cookie|capture|http-after-response)/)
		leave(p, "durward passes requests and answers on; it does not change them")
	else
		leave(p, "")
}
function read_balance(p,   x) {
	x = tolower(w[2])
	if (x == "source" || x == "roundrobin" || x == "leastconn")
		put(p, "balance", x)
	else if (x == "static-rr")
		put(p, "balance", "roundrobin")
	else if (x == "hdr(host)" || (x == "hash" && tolower(w[3]) ~ /^(req\.)?(hdr\(host\)|ssl_sni)/))
		put(p, "balance", "host")
	else if (x == "first" || x ~ /^random/) {
		put(p, "balance", "leastconn")
		leave(p, "leastconn is near to it")
	} else {
		put(p, "balance", "source")
		leave(p, "source is here in its place")
	}
}

BEGIN {
	SQ = sprintf("%c", 39)
	STATS = "stats stats-uri hide-version show-node refresh auth"
	INHERITED = "mode maxconn backlog retries balance check check-path check-host check-status check-ssl check-port check-sni forwardfor ff-except name-header last inspect disabled " STATS
	SERVER_WORDS = "check backup send-proxy send-proxy-v2 check-send-proxy check-ssl inter rise fall weight maxconn port check-sni ca-file verify on-marked-down"
	TIMED = "client server connect queue tunnel check http-request http-keep-alive"
	name = file
	sub(/.*\//, "", name)
	if (name == "-")
		name = "line"
}
{
	sub(/\r$/, "")
	shown = $0
	gsub(/^[ \t]+|[ \t]+$/, "", shown)
	gsub(/[\t ]+/, " ", shown)
	gsub(/[^ -~]/, "?", shown)
	nw = cut($0)
	for (i = nw + 1; i <= nw + 4; i++)
		w[i] = ""
	if (nw == 0)
		next
	any = 1
	if (broken != "") {
		leave(at == "" ? "end" : at, broken)
		next
	}
	if (w[1] ~ /^(global|defaults|frontend|backend|listen|userlist|peers|mailers|resolvers|cache|program|ring|http-errors|fcgi-app|log-forward|traces|crt-store|log-profile|acme)$/) {
		begin_section(w[1], w[2])
		if (w[1] == "resolvers")
			remark("end", "durward asks the resolver of the system, each resolve-interval")
		else if (at == "")
			leave("end", "and all of this section")
		if ((w[1] == "listen" || w[1] == "frontend") && nw > 2 && w[3] != "from") {
			w[2] = w[3]
			nw = 2
			read_bind(at)
		}
		next
	}
	if (section == "") {
		leave("end", "it stands in no section")
	} else if (section == "global")
		read_global()
	else if (at != "")
		read_line(at)
	next
}
