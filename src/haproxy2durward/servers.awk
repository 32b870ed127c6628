# SPDX-License-Identifier: ISC
# The words of a server.

# Words of a server from i on, over those of default-server.
function read_server_words(p, s, i,   x, v) {
	for (; i <= nw; i++) {
		x = w[i]
		v = w[i + 1]
		if (x ~ /^(check|backup|send-proxy|send-proxy-v2|check-ssl)$/)
			put(s, x, 1)
		else if (x ~ /^no-(check|backup|send-proxy|send-proxy-v2|check-ssl)$/) {
			delete has[s, substr(x, 4)]
			delete set[s, substr(x, 4)]
		} else if (x ~ /^(rise|fall|weight|maxconn|port)$/ && v !~ /^[0-9]+$/) {
			leave(p, "of this server: " x " " v " is no number")
			i++
		} else if (x == "inter" && ms(v) < 0) {
			leave(p, "of this server: " x " " v " is no duration")
			i++
		} else if (x ~ /^(inter|rise|fall|weight|maxconn|port|check-sni|ca-file)$/) {
			put(s, x, v)
			i++
		} else if (x == "verify") {
			put(s, x, v)
			i++
		} else if (x == "on-marked-down" && v == "shutdown-sessions") {
			put(s, x, 1)
			i++
		} else if (x == "on-marked-down" && v == "none") {
			delete has[s, x]
			i++
		} else if (x ~ /^(resolvers|resolve-prefer|init-addr|id)$/) {
			i++
		} else if (x == "check-send-proxy") {
			put(s, x, FNR)
		} else if (x == "ssl") {
			leave(p, "durward does not speak TLS to servers: it passes on that of the client")
		} else if (x == "disabled") {
			leave(p, "after the start: durwardctl maint " SQ "*/NAME" SQ)
		} else {
			leave(p, "of this server: " x)
			if (x ~ /^(addr|cookie|fastinter|downinter|slowstart|observe|error-limit|on-error|on-marked-up|track|source|minconn|maxqueue|alpn|check-alpn|sni|crt|crl-file|proto|check-proto|pool-.*|tcp-ut|namespace|redir|agent-.*)$/)
				i++
		}
	}
}
function read_server(p,   s, n, k, i) {
	n = ++nserver[p]
	s = p SUBSEP "server" SUBSEP n
	put(s, "name", w[2])
	put(s, "address", w[3])
	for (i = split(SERVER_WORDS, k, " "); i > 0; i--)
		take(s, k[i], p " server")
	sub(/^ipv[46]@/, "", set[s, "address"])
	if (get(s, "address") ~ /^$|[@$]|^\/|:[^0-9:]*$|:\+|:0*$|:-/ && get(s, "address") !~ /::$/) {
		nserver[p]--
		leave(p, "durward has no such address: " w[3])
		return
	}
	read_server_words(p, s, 4)
	if (given(s, "check-send-proxy") && !given(s, "send-proxy") && !given(s, "send-proxy-v2"))
		leave(p, "check-send-proxy: checks have a PROXY header where clients have one, with send-proxy")
}
