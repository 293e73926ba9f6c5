/* hdr_log: histograms over time in a text file that the tools of HdrHistogram read (.hlog).
 *
 * Written by one thread, which waits for the file (the tool's own time, not a broker's).  Format
 * 1.3 of HdrHistogram's HistogramLogWriter:
 *
 *     #[comment]
 *     #[Histogram log format version 1.3]
 *     #[StartTime: 1441812279.474 (seconds since epoch), 2015-09-09T15:24:39Z]
 *     "StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"
 *     Tag=produce,0.127,1.007,2.769,HISTFAAAAEV42pNpmSzMwMCgyAABTBDKT4GBgdnNYMcCBvsPEBEJISEuATEZMQ4u
 *
 * times in seconds, the first since StartTime; the maximum in milliseconds; the histogram as the V2
 * encoding of base/histogram inside a V2 compressed frame: u32 0x1c849314, u32 size of what
 * follows, zlib (RFC 1950); all that in base64 (RFC 4648). */
#ifndef LEVEE_TOOLS_LOAD_HDR_LOG_H
#define LEVEE_TOOLS_LOAD_HDR_LOG_H

#include "base/err.h"
#include "base/histogram.h"

#include <stddef.h>
#include <stdint.h>

struct hdr_log; /* being written */

/* comment: one line, NULL: none.  Errors of files, ERR_NOMEM. */
must_use enum err hdr_log_create(const char *path, uint64_t start_ms, const char *comment,
                                 struct hdr_log **out);

/* One line.  tag: NULL or without ',', blanks and line ends (ERR_INVALID).  begin_ns: since
 * start_ms.  Histogram of nanoseconds.  Errors of files, ERR_NOMEM. */
must_use enum err hdr_log_write(struct hdr_log *log, const char *tag, uint64_t begin_ns,
                                uint64_t length_ns, const struct histogram *histogram);

/* Closes; says an error that came only now.  NULL is allowed. */
enum err hdr_log_close(struct hdr_log *log);

/* One line as read. */
struct hdr_log_line {
    char tag[128]; /* "" : none */
    double begin_s;
    double length_s;
    double max_ms;
    struct histogram histogram; /* the caller's, to be deinit()ed */
};

/* Parse one line of a log, without its line end.  ERR_NOT_FOUND: a comment, the head, or an empty
 * line.  ERR_MALFORMED, ERR_TOO_LARGE, ERR_UNSUPPORTED: as histogram_decode, and for what is no
 * line of a log; ERR_NOMEM.  On an error nothing has to be released. */
must_use enum err hdr_log_parse(const char *text, size_t size_bytes, struct hdr_log_line *out);

/* The compressed frame as base64 into memory from mem_try_alloc, and back.  ERR_NOMEM; when
 * decoding as hdr_log_parse. */
must_use enum err hdr_log_encode(const struct histogram *histogram, char **text_out);
must_use enum err hdr_log_decode(const char *text, size_t size_bytes, struct histogram *out);

#endif
