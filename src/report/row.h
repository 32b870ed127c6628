/* SPDX-License-Identifier: ISC */
/*
 * HAProxy's statistics table: the columns of its CSV, in its order, and a row
 * for each listener (FRONTEND), server and backend (BACKEND).  CSV and JSON
 * are two spellings of it.
 *
 * A column that durward has nothing to say for is empty in every row: qlimit
 * throttle tracked hanafail comp_* last_agt agent_* addr cookie algo cache_*
 * srv_icur src_ilim eint idle_conn_cur safe_conn_cur used_conn_cur need_conn_est
 * agg_*, and those of modules after "-".
 */
#ifndef DURWARD_ROW_H
#define DURWARD_ROW_H

#include <stdint.h>

#include "report/report.h"

#define ROW_COLUMNS(X) \
	X(pxname) X(svname) X(qcur) X(qmax) X(scur) X(smax) X(slim) X(stot) X(bin) X(bout) \
	X(dreq) X(dresp) X(ereq) X(econ) X(eresp) X(wretr) X(wredis) X(status) X(weight) \
	X(act) X(bck) X(chkfail) X(chkdown) X(lastchg) X(downtime) X(qlimit) X(pid) X(iid) \
	X(sid) X(throttle) X(lbtot) X(tracked) X(type) X(rate) X(rate_lim) X(rate_max) \
	X(check_status) X(check_code) X(check_duration) X(hrsp_1xx) X(hrsp_2xx) X(hrsp_3xx) \
	X(hrsp_4xx) X(hrsp_5xx) X(hrsp_other) X(hanafail) X(req_rate) X(req_rate_max) \
	X(req_tot) X(cli_abrt) X(srv_abrt) X(comp_in) X(comp_out) X(comp_byp) X(comp_rsp) \
	X(lastsess) X(last_chk) X(last_agt) X(qtime) X(ctime) X(rtime) X(ttime) \
	X(agent_status) X(agent_code) X(agent_duration) X(check_desc) X(agent_desc) \
	X(check_rise) X(check_fall) X(check_health) X(agent_rise) X(agent_fall) \
	X(agent_health) X(addr) X(cookie) X(mode) X(algo) X(conn_rate) X(conn_rate_max) \
	X(conn_tot) X(intercepted) X(dcon) X(dses) X(wrew) X(connect) X(reuse) \
	X(cache_lookups) X(cache_hits) X(srv_icur) X(src_ilim) X(qtime_max) X(ctime_max) \
	X(rtime_max) X(ttime_max) X(eint) X(idle_conn_cur) X(safe_conn_cur) X(used_conn_cur) \
	X(need_conn_est) X(uweight) X(agg_server_status) X(agg_server_check_status) \
	X(agg_check_status)

/* Behind a column named "-": HAProxy's modules, in the order of its 2.6. */
#define ROW_MODULES(X) \
	X(ssl_sess) X(ssl_reused_sess) X(ssl_failed_handshake) X(h2_headers_rcvd) \
	X(h2_data_rcvd) X(h2_settings_rcvd) X(h2_rst_stream_rcvd) X(h2_goaway_rcvd) \
	X(h2_detected_conn_protocol_errors) X(h2_detected_strm_protocol_errors) \
	X(h2_rst_stream_resp) X(h2_goaway_resp) X(h2_open_connections) \
	X(h2_backend_open_streams) X(h2_total_connections) X(h2_backend_total_streams) \
	X(h1_open_connections) X(h1_open_streams) X(h1_total_connections) \
	X(h1_total_streams) X(h1_bytes_in) X(h1_bytes_out) X(h1_spliced_bytes_in) \
	X(h1_spliced_bytes_out)

#define ROW_ENUM(name) ROW_##name,
enum row_column {
	ROW_COLUMNS(ROW_ENUM)
	ROW_dash,
	ROW_MODULES(ROW_ENUM)
	ROW_WIDTH
};

#define ROW_STATUS	32

enum row_kind { ROW_EMPTY, ROW_NUMBER, ROW_TEXT };

struct row {
	struct {
		enum row_kind kind;
		union {
			int64_t number;
			const char *text;	/* borrowed, or in one of the buffers below */
		} is;
	} cell[ROW_WIDTH];
	char status[ROW_STATUS], last_chk[REPORT_CHECK];
};

extern const char *const row_names[ROW_WIDTH];

/* Call visit for each row, listeners first. */
typedef void row_visit(const struct row *row, void *arg);
void row_each(const struct report *r, row_visit *visit, void *arg);

/* "UP", "UP 2/3" (failing), "DOWN", "DOWN 1/2" (rising), "DRAIN", ... */
const char *row_server_status(const struct report *r, unsigned b, unsigned k, char buf[ROW_STATUS]);

#endif
