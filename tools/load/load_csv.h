/* load_csv: the samples of a result as lines of comma-separated values (RFC 4180), the names of the
 * columns in the first; times in milliseconds, rates a second.  What is not known is left empty.
 *
 * Stateless. */
#ifndef LEVEE_TOOLS_LOAD_LOAD_CSV_H
#define LEVEE_TOOLS_LOAD_LOAD_CSV_H

#include "tools/load/load_result.h"

#include <stdio.h>

/* ERR_IO. */
must_use enum err load_csv_print(const struct load_result *result, FILE *file);

/* A file of its own.  Errors of files. */
must_use enum err load_csv_write(const struct load_result *result, const char *path);

#endif
