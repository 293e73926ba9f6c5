/* config_list: a list's words with others appended or taken away (KIP-339).  Pure. */
#ifndef LEVEE_BROKER_METADATA_CONFIG_LIST_H
#define LEVEE_BROKER_METADATA_CONFIG_LIST_H

#include "base/arena.h"
#include "base/err.h"
#include "net/protocol/wire.h"

/* Words that are there already are not appended again.  *out lies in the arena.  seed: from the
 * prng.  ERR_NOMEM. */
must_use enum err config_list_append(struct arena *arena, uint64_t seed, struct wire_string list,
                                     struct wire_string words, struct wire_string *out);
must_use enum err config_list_subtract(struct arena *arena, uint64_t seed, struct wire_string list,
                                       struct wire_string words, struct wire_string *out);

#endif
