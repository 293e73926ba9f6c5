/* error_answer: one error for a whole request, as an answer of its API.
 *
 * Where the code stands follows from the schema: at the top of the response where it has a place
 * there, otherwise in an element for each thing that the request names, which is told by the fields
 * that name it.  What Kafka's classes do beyond that stands in the tables of error_answer.c.
 * Stateless. */
#ifndef LEVEE_NET_PROTOCOL_ERROR_ANSWER_H
#define LEVEE_NET_PROTOCOL_ERROR_ANSWER_H

#include "net/protocol/api.h"
#include "net/protocol/codec.h"

/* request is struct <name>_request of that version; response is struct <name>_response with its
 * defaults, and is filled; what is made for it lies in arena.  message goes wherever the code has
 * one beside it; a null text: none.  Texts are not copied: request and message must outlive
 * response.  ERR_NOMEM: response is not to be used. */
must_use enum err error_answer_fill(const struct api_desc *api, int16_t version,
                                    const void *request, int16_t error_code,
                                    struct wire_string message, struct arena *arena,
                                    void *response);

#endif
