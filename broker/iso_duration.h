/* iso_duration: a length of time as ISO 8601 and Java's Duration.parse have it, PnDTnHnMn.nS: days,
 * hours, minutes and seconds, each with a sign of its own, letters of either case.  Pure. */
#ifndef LEVEE_BROKER_ISO_DURATION_H
#define LEVEE_BROKER_ISO_DURATION_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* Whole seconds, rounded down.  ERR_MALFORMED; ERR_INVALID: more than fits. */
must_use enum err iso_duration_parse(const char *text, size_t size_bytes, int64_t *seconds_out);

#endif
