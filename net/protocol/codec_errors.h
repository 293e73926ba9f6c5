/* codec_errors: which error codes an answer carries, wherever they stand in it.
 *
 * A plan says once, for a message, in which fields named error_code they are; walking it costs what
 * there is of them, not of the message.  Owned by one loop. */
#ifndef LEVEE_NET_PROTOCOL_CODEC_ERRORS_H
#define LEVEE_NET_PROTOCOL_CODEC_ERRORS_H

#include "base/err.h"
#include "net/protocol/descriptor.h"

struct codec_errors;

/* ERR_NOMEM. */
must_use enum err codec_errors_create(const struct message_desc *desc, struct codec_errors **out);
void codec_errors_destroy(struct codec_errors *plan); /* NULL is allowed */

/* Every code of message (struct <name>_response) that this version has, KAFKA_NONE too. */
void codec_errors_each(const struct codec_errors *plan, int16_t version, const void *message,
                       void (*visit)(void *context, int16_t error_code), void *context);

#endif
