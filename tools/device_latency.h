/* device_latency: how long small writes take until they are durable, through a body of the seam.
 *
 * Writes one file of the directory that is asked about, which has no name any more while it is
 * measured; nothing is left behind.  The caller's thread, which a ring of io belongs to afterwards.
 *   DVL-1  one write is in flight at a time: these are latencies, not rates */
#ifndef LEVEE_TOOLS_DEVICE_LATENCY_H
#define LEVEE_TOOLS_DEVICE_LATENCY_H

#include "base/histogram.h"
#include "base/io.h"

#include <stdbool.h>
#include <stdint.h>

enum device_write {
    DEVICE_WRITE_FSYNC, /* 4 KiB through the page cache, then fdatasync(2) */
    DEVICE_WRITE_PING,  /* 4 KiB of the journal's kind: O_DIRECT and O_DSYNC where they are taken */
    DEVICE_WRITE_GROUP, /* 64 KiB of the journal's kind: a group commit */
    DEVICE_WRITE_COUNT,
};

struct device_latency {
    struct histogram took_ns;
    bool direct; /* O_DIRECT was taken */
};

/* count writes, one behind the other, over the same 4 MiB; their times are added to out, which the
 * caller has made.  Errors are those of the file system. */
must_use enum err device_latency_measure(struct io *io, const char *dir, enum device_write kind,
                                         uint32_t count, struct device_latency *out);

#endif
