/* dispatch: from a frame to its handler: header, version, admission, decoding.
 *
 * One table (dispatch.c) says which APIs exist; what is not in it is neither advertised nor
 * served.  Unsupported keys and versions close the connection, as Kafka does; ApiVersions alone is
 * answered in version 0 with error 35 (KIP-511). */
#ifndef LEVEE_BROKER_DISPATCH_H
#define LEVEE_BROKER_DISPATCH_H

#include "broker/request.h"

/* Decode and run the request whose frame is in request->wire; ends in one of the answers. */
void dispatch(struct request *request);

/* May the answer of this request, as it was received, be far longer than the request, or long at
 * all?  Cheap. */
bool dispatch_is_long(const uint8_t *bytes, uint32_t size_bytes);

/* The APIs with a handler, by rising key: index from 0; NULL at the end. */
const struct api_desc *dispatch_api_at(uint32_t index);

#endif
