/* dispatch: from a frame to its handler: header, version, decoding, and the permission of a whole
 * request.
 *
 * api_table says which APIs there are.  Unsupported keys and versions close the connection, as
 * Kafka does; ApiVersions alone is answered in version 0 with error 35 (KIP-511). */
#ifndef LEVEE_BROKER_DISPATCH_H
#define LEVEE_BROKER_DISPATCH_H

#include "broker/request.h"

/* Decode and run the request, of which everything is filled that who makes it fills (request.h);
 * ends in one of the answers. */
void dispatch(struct request *request);

/* May the answer of this request, as it was received, be far longer than the request, or long at
 * all?  Cheap. */
bool dispatch_is_long(const uint8_t *bytes, uint32_t size_bytes);

#endif
