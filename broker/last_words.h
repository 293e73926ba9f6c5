/* last_words: a storage has failed; whoever waits is told so, and what was told is sent, before the
 * process ends.
 *
 * One for the broker; speaks once.  Each shard does its part on its own loop: ends the waits of its
 * partitions, and leaves the loop some turns, in which the answers are handed to the kernel.
 *   LWD-1  spoken runs after every shard has had its turns, or a second after the failure: a shard
 *          may not come to it; perhaps twice, on any shard */
#ifndef LEVEE_BROKER_LAST_WORDS_H
#define LEVEE_BROKER_LAST_WORDS_H

#include "broker/shard.h"

struct last_words;

/* shards: the broker's, which may be filled in later. */
struct last_words *last_words_create(const struct shards *shards,
                                     void (*spoken)(void *context, enum err err), void *context);

/* When no loop runs any more.  NULL is accepted. */
void last_words_destroy(struct last_words *words);

/* On the loop of the shard whose storage failed.  A second failure changes nothing. */
void last_words_speak(struct last_words *words, struct shard *failed, enum err err);

#endif
