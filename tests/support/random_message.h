/* random_message: any message of the schema, filled by chance, for property tests.
 *
 * The values use all that the version allows: nulls, empty and filled arrays, tagged fields set and
 * unset, extreme numbers.  Fields that the version lacks keep their defaults. */
#ifndef LEVEE_TESTS_SUPPORT_RANDOM_MESSAGE_H
#define LEVEE_TESTS_SUPPORT_RANDOM_MESSAGE_H

#include "base/prng.h"
#include "net/protocol/codec.h"

/* Fill *out, of desc->body->size_bytes.  Its pointers lead into the arena, which must be roomy: a
 * refusal ends the test. */
void random_message(const struct message_desc *desc, int16_t version, struct prng *prng,
                    struct arena *arena, void *out);

#endif
