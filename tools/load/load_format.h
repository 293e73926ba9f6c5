/* load_format: numbers as people read them: with thousands separated, times and bytes in the unit
 * that fits.
 *
 * Stateless.  out is filled with at most LOAD_FORMAT_BYTES and returned. */
#ifndef LEVEE_TOOLS_LOAD_LOAD_FORMAT_H
#define LEVEE_TOOLS_LOAD_LOAD_FORMAT_H

#include <stddef.h>
#include <stdint.h>

enum { LOAD_FORMAT_BYTES = 40 };

/* "1,234,567" */
char *load_format_count(uint64_t value, char out[static LOAD_FORMAT_BYTES]);

/* Three digits or so: "0.123", "12.3", "1,234", "5.2 M"; what is no number is "-". */
char *load_format_number(double value, char out[static LOAD_FORMAT_BYTES]);

/* "850 ns", "12.3 us" (with the micro sign of UTF-8), "1.23 ms", "4.5 s". */
char *load_format_ns(double ns, char out[static LOAD_FORMAT_BYTES]);

/* "12.3 MB": powers of ten, as devices are sold. */
char *load_format_bytes(double bytes, char out[static LOAD_FORMAT_BYTES]);

/* "50k", "1.5M": short, for an axis. */
char *load_format_short(double value, char out[static LOAD_FORMAT_BYTES]);

#endif
