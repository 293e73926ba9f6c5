/* http: /metrics, /livez and /readyz on a port of their own.
 *
 * libmicrohttpd with a thread for each connection, of which there are few; it reads what is atomic
 * (the metrics registry, the health), and asks the loops for the rest by a scrape.  Started before
 * the data directory is touched, and ended last, by serve.c.
 *   /livez   200 while the process runs and no log directory has failed, else 503
 *   /readyz  200 while clients are served: recovery is done, listeners are open, not stopping;
 *            else 503; the text says which it is
 *   HTTP-1  one /metrics at a time; it waits SCRAPE_WAIT_SECONDS for the loops, then answers
 *           without what they would tell */
#ifndef LEVEE_BROKER_HTTP_H
#define LEVEE_BROKER_HTTP_H

#include "base/err.h"
#include "base/io.h"
#include "base/metrics.h"
#include "broker/health.h"

struct http;
struct scrape;

/* address: "host:port"; port 0 takes a free one (*port_out).  ERR_INVALID: cannot be read;
 * ERR_IN_USE and others: cannot be bound.  metrics and health stay the caller's and outlive it. */
must_use enum err http_start(const char *address, const struct metrics *metrics,
                             const struct health *health, struct http **out, uint16_t *port_out);

/* The loops run, and may be asked; NULL: no longer.  After that none is being asked, but for one
 * that has taken too long.  http NULL is allowed. */
void http_set_scrape(struct http *http, struct scrape *scrape);

void http_stop(struct http *http); /* NULL is allowed */

#endif
