/* config_check: is a text a legal value of a key?  The one book of rules for files, flags, the
 * environment, requests and what the metadata log holds; the words are those of Kafka's ConfigDef,
 * LogConfig and their validators.  Pure; config_check itself is declared in config.h. */
#ifndef LEVEE_BROKER_CONFIG_CHECK_H
#define LEVEE_BROKER_CONFIG_CHECK_H

#include "broker/config.h"

enum { CONFIG_CHECK_WHY_BYTES = 512 };

/* Why not: "Invalid value VALUE for configuration KEY: WHY". */
struct config_check_fault {
    const char *value; /* what of the text is at fault: lies in it, or in space */
    size_t value_bytes;
    bool is_list; /* shown in brackets */
    char why[CONFIG_CHECK_WHY_BYTES];
    char space[64];
};

/* Blanks around text do not count (Kafka's ConfigDef.parseType).  ERR_INVALID: *out says why. */
must_use enum err config_check_value(const struct config_key *key, const char *text,
                                     size_t size_bytes, struct config_check_fault *out);

#endif
