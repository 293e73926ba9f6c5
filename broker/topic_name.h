/* topic_name: what is wrong with a topic's name, in Kafka's words (Topic.validate). */
#ifndef LEVEE_BROKER_TOPIC_NAME_H
#define LEVEE_BROKER_TOPIC_NAME_H

#include "base/arena.h"
#include "net/protocol/wire.h"

/* False: *problem_out is the sentence, in the arena (null at the arena's limit). */
bool topic_name_check(struct wire_string name, struct arena *arena,
                      struct wire_string *problem_out);

/* before, name (any bytes), after: one text in the arena; null at the arena's limit. */
struct wire_string topic_name_text(struct arena *arena, const char *before, struct wire_string name,
                                   const char *after);

#endif
