/* SPDX-License-Identifier: ISC */
/* The other end of a connection.  In a worker; the listener's sockets are
 * tuned in the master.  Sends nothing and waits for nothing. */
#include "config.h"
#include "proxy/peer.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#define PROBES	3	/* that are lost one after the other */

int
peer_defer_s(const struct conf_listener *l)
{
	int ms = l->protocol == CONF_TLS ? l->timeouts.handshake : l->timeouts.request, s, best = 0;

	if (l->deny.n > 0 || l->allow.n > 0 || l->max_per_source > 0)
		return 0;
	/* the kernel counts in repeated SYN-ACKs: after 1, 3, 7, 15 ... s */
	for (s = 1; s * 1000 <= ms && s < 64; s = s * 2 + 1)
		best = s;
	return best;
}

int
peer_interval_ms(int idle_ms)
{
	int third = idle_ms / PROBES / 1000 * 1000;

	return third < 1000 ? 1000 : third > 10000 ? 10000 : third;
}

void
peer_keepalive(int fd, int idle_ms)
{
	int on = idle_ms > 0, idle = idle_ms < 1000 ? 1 : idle_ms / 1000, count = PROBES;
	int interval = peer_interval_ms(idle_ms) / 1000;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	if (!on)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

enum peer
peer_look(int fd, int idle_ms)
{
	struct tcp_info i;
	socklen_t len = sizeof(i);
	unsigned lost;

	memset(&i, 0, sizeof(i));
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &len) != 0 ||
	    len < offsetof(struct tcp_info, tcpi_notsent_bytes) + sizeof(i.tcpi_notsent_bytes))
		return PEER_OWES_NOTHING;
	if (i.tcpi_unacked == 0 && i.tcpi_notsent_bytes == 0)
		return PEER_OWES_NOTHING;
	/* sent again and again, or asked for room, and not a word: an answer
	 * sets both to nought */
	lost = i.tcpi_retransmits > i.tcpi_probes ? i.tcpi_retransmits : i.tcpi_probes;
	if (lost >= PROBES &&
	    i.tcpi_last_ack_recv >= (unsigned)idle_ms + PROBES * (unsigned)peer_interval_ms(idle_ms))
		return PEER_GONE;
	return PEER_OWES;
}
