/* config_ip_overrides: the text of max.connections.per.ip.overrides as limits of single addresses.
 *
 * address:count,address:count,...  (Kafka's Csv.parseCsvMap and ConnectionQuotas.)  The last colon
 * ends an address, so an IPv6 one needs no brackets; blanks around the parts do not count.  Kafka
 * also takes host names; here names are not resolved.  Values only; no owner. */
#ifndef LEVEE_BROKER_CONFIG_IP_OVERRIDES_H
#define LEVEE_BROKER_CONFIG_IP_OVERRIDES_H

#include "net/admission.h"

struct config_ip_overrides {
    uint32_t count;
    struct admission_override items[ADMISSION_OVERRIDES_MAX];
};

/* What cannot be read, and why. */
struct config_ip_fault {
    const char *entry; /* in the text; not NUL-terminated, cut when it is long */
    int32_t entry_bytes;
    const char *why;
};

/* ERR_INVALID: *fault_out tells of the first faulty entry, and out is not to be used. */
must_use enum err config_ip_overrides_parse(const char *text, size_t size_bytes,
                                            struct config_ip_overrides *out,
                                            struct config_ip_fault *fault_out);

#endif
