/* header: what stands in front of every request and response, inside the length-prefixed frame.
 *
 * Request v1: int16 API key, int16 version, int32 correlation id, nullable client id with an int16
 * length.  v2 adds tagged fields; the client id keeps its int16 length (KIP-482).  Response v0:
 * int32 correlation id; v1 adds tagged fields.  Stateless; both directions, for broker and client.
 */
#ifndef LEVEE_NET_PROTOCOL_HEADER_H
#define LEVEE_NET_PROTOCOL_HEADER_H

#include "net/protocol/api.h"
#include "net/protocol/msg_headers.h"

/* Read a request header; the body follows in the reader.  *api is the entry of the key.
 * ERR_UNSUPPORTED: 4.3 does not serve this key (then *api is NULL) or this version; *out then holds
 * key, version and correlation id, and the body must not be read.  The caller closes the
 * connection, except for API_API_VERSIONS, which it answers in version 0 with error 35 (KIP-511).
 * ERR_TRUNCATED, ERR_MALFORMED: as codec_decode.  ERR_TOO_LARGE: more tagged fields than anybody
 * sends. */
must_use enum err header_decode_request(struct wire_reader *reader, struct arena *arena,
                                        struct request_header *out, const struct api_desc **api);

/* Append the header of a response to a request of this version. */
must_use enum err header_encode_response(struct wire_writer *writer, const struct api_desc *api,
                                         int16_t version, int32_t correlation_id);

/* The client's side of the two above. */
must_use enum err header_encode_request(struct wire_writer *writer, const struct api_desc *api,
                                        int16_t version, int32_t correlation_id,
                                        struct wire_string client_id);
must_use enum err header_decode_response(struct wire_reader *reader, struct arena *arena,
                                         const struct api_desc *api, int16_t version,
                                         int32_t *correlation_id);

#endif
