/* http: /metrics, /livez and /readyz on a port of their own.
 *
 * libmicrohttpd with its own thread; reads only what is atomic: the metrics registry and the
 * health flags.  Started and ended by serve.c.
 *   /livez   200 while the process runs and no log directory has failed, else 503
 *   /readyz  200 while clients are served: recovery is done, listeners are open, not stopping */
#ifndef LEVEE_BROKER_HTTP_H
#define LEVEE_BROKER_HTTP_H

#include "base/err.h"
#include "base/io.h"
#include "base/metrics.h"

struct http;

struct health {
    uint32_t live;  /* atomic */
    uint32_t ready; /* atomic */
};

static inline void health_set(uint32_t *flag, bool value)
{
    __atomic_store_n(flag, value ? 1U : 0U, __ATOMIC_RELEASE);
}

static inline bool health_is(const uint32_t *flag)
{
    return __atomic_load_n(flag, __ATOMIC_ACQUIRE) != 0;
}

/* address: "host:port"; port 0 takes a free one (*port_out).  ERR_INVALID: cannot be read;
 * ERR_IN_USE: cannot be bound.  metrics and health stay the caller's and outlive it. */
must_use enum err http_start(const char *address, const struct metrics *metrics,
                             const struct health *health, struct http **out, uint16_t *port_out);

void http_stop(struct http *http); /* NULL is allowed */

#endif
