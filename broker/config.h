/* config: the broker's configuration, a value for each of its keys (config/config_key.h).
 *
 * Read at start from defaults < file < environment < flags; afterwards a value
 * changes only through committed metadata records (dynamic keys), so a reader asks with its shard's
 * image.  Names are Kafka's where Kafka has one; ours start with "levee.". */
#ifndef LEVEE_BROKER_CONFIG_H
#define LEVEE_BROKER_CONFIG_H

#include "base/err.h"
#include "base/io.h"
#include "base/log_line.h"
#include "broker/config/config_key.h"
#include "broker/config/config_values.h"

#include <stdbool.h>
#include <stdint.h>

struct image;

/* Where an effective value comes from (Kafka's ConfigSource numbers). */
enum config_source {
    CONFIG_SOURCE_TOPIC = 1,
    CONFIG_SOURCE_BROKER = 2,
    CONFIG_SOURCE_DEFAULT_BROKER = 3,
    CONFIG_SOURCE_STATIC = 4,
    CONFIG_SOURCE_DEFAULT = 5,
    CONFIG_SOURCE_CLIENT_METRICS = 7,
    CONFIG_SOURCE_GROUP = 8,
};

struct config; /* the static values; read only after config_load */

struct config_load_options {
    const char *file;               /* server.properties, or NULL */
    const char *const *sets;        /* "key=value" of --set, ends with NULL; or NULL */
    const char *const *environment; /* environ: KAFKA_*, KAFKA_CFG_*, LEVEE_*; or NULL */
    bool dev;                       /* `levee dev`: its defaults under all others */
};

/* problem receives one line per fault ("unknown key log.retention.hour (line 7); did you mean
 * log.retention.hours?"); ERR_INVALID when there was any.  note: one line with all keys that have
 * no effect, and one for each key that neither Kafka nor levee knows; an unknown key is a fault
 * only where it is near to one that acts, and never in the environment, where KAFKA_* belongs to
 * others, too.  Blanks around a value do not count (Kafka's ConfigDef.parseType). */
must_use enum err config_load(struct io *io, const struct config_load_options *options,
                              void (*problem)(void *context, const char *text),
                              void (*note)(void *context, const char *text), void *context,
                              struct config **out);
void config_destroy(struct config *config);

/* The static values, typed. */
const struct config_values *config_values(const struct config *config);

/* The static value as text (the default when not set); NULL: null. */
const char *config_text(const struct config *config, enum config_id id);
bool config_is_set(const struct config *config, enum config_id id);

/* The effective value with dynamic overrides of image (NULL: static only): broker's own, then
 * cluster default, then static, then default.  A stored text that is no legal value does not count.
 * What is read often is read typed: shard_config. */
const char *config_string(const struct config *config, const struct image *image,
                          enum config_id id);
enum config_source config_source_of(const struct config *config, const struct image *image,
                                    enum config_id id);

/* All of them, typed; texts live as long as config. */
void config_resolve(const struct config *config, const struct image *image,
                    struct config_values *out);

/* config_check.c: is text, without the blanks around it, a legal value of key?  problem_out (may be
 * NULL): a sentence in Kafka's words. */
must_use enum err config_check(const struct config_key *key, const char *text, char *problem_out,
                               size_t problem_max);

/* ---- derived at load, for the code that needs them typed */

int32_t config_node_id(const struct config *config);

/* The data directory: log.dirs, else log.dir. */
const char *config_log_dir(const struct config *config);

struct config_listener {
    char name[64];  /* PLAINTEXT, or a name mapped by listener.security.protocol.map */
    char host[256]; /* "" = every interface */
    uint16_t port;
    int16_t security_protocol; /* Kafka's: 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL */
    char advertised_host[256]; /* "": answer with the address that the client dialled */
    uint16_t advertised_port;
};
uint32_t config_listener_count(const struct config *config);
const struct config_listener *config_listener_at(const struct config *config, uint32_t index);

#endif
