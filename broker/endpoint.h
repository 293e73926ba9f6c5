/* endpoint: the address that a client is told to use: the advertised one of the listener that it
 * came through, or, when none is configured, the local address that it dialled. */
#ifndef LEVEE_BROKER_ENDPOINT_H
#define LEVEE_BROKER_ENDPOINT_H

#include "broker/request.h"

enum { ENDPOINT_HOST_MAX = 256 };

void endpoint_for(const struct request *request, char host_out[static ENDPOINT_HOST_MAX],
                  uint16_t *port_out);

/* The name of the listener, or NULL when the connection has none (tests). */
const char *endpoint_listener(const struct request *request);

#endif
