/* java_hash: Java's String.hashCode, by which Kafka deals out the keys of its internal topics.
 * Stateless; any thread. */
#ifndef LEVEE_BROKER_JAVA_HASH_H
#define LEVEE_BROKER_JAVA_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Over the UTF-16 units of the text; what is no UTF-8 counts as U+FFFD. */
int32_t java_hash(const char *text, size_t size_bytes);

/* Which of count partitions a key goes to: Kafka's Utils.abs of the hash, modulo count. */
int32_t java_hash_partition(const char *text, size_t size_bytes, int32_t count);

#endif
