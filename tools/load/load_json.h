/* load_json: a result as one JSON object, and back.
 *
 * The fields of OpenMessaging Benchmark's TestResult stand at its top, with its units (publish and
 * end-to-end latencies in milliseconds, publish delay in microseconds, rates a second, one entry a
 * sample), so that its chart script reads the file.  Ours stand beside them under "levee": the
 * whole result, times in nanoseconds, histograms as their counts; what is read back is equal
 * (LJS-1), so results of several agents, or of yesterday, lose nothing on their way.
 * Stateless; files are read and written at once (tools).
 *   LJS-1  load_json_read of what load_json_write wrote gives the same counts, histograms,
 *          samples, verdict and texts */
#ifndef LEVEE_TOOLS_LOAD_LOAD_JSON_H
#define LEVEE_TOOLS_LOAD_LOAD_JSON_H

#include "tools/load/load_result.h"

#include <stdio.h>

enum { LOAD_JSON_BYTES_MAX = 64 << 20 };

/* One line; the caller adds what goes behind it.  ERR_NOMEM, ERR_IO. */
must_use enum err load_json_print(const struct load_result *result, FILE *file);

/* The same as a text for mem_free.  ERR_NOMEM. */
must_use enum err load_json_text(const struct load_result *result, char **out);

/* A file of its own, replaced as a whole.  ERR_NOMEM, errors of files. */
must_use enum err load_json_write(const struct load_result *result, const char *path);

/* ERR_MALFORMED: no JSON, or not of ours.  ERR_TOO_LARGE, ERR_NOMEM. */
must_use enum err load_json_parse(const char *text, size_t size_bytes, struct load_result **out);

/* The same of a file; also ERR_NOT_FOUND, errors of files. */
must_use enum err load_json_read(const char *path, struct load_result **out);

#endif
