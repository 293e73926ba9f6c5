/* properties: reads and writes Java's .properties (java.util.Properties, load and store).
 *
 *   line     = ws [ key [ ws ( '=' | ':' | ws ) ws value ] ]      ws: blank, tab, form feed
 *   comment  = ws ( '#' | '!' ) anything; never continued
 *   An odd number of '\' before the end of a line continues it; the next line loses its leading ws.
 *   \t \n \r \f \uXXXX mean what they say; '\' before anything else is dropped.
 *
 * Keys and values come out as UTF-8.  Duplicates come each time; the last one counts in Java. */
#ifndef LEVEE_BASE_PROPERTIES_H
#define LEVEE_BASE_PROPERTIES_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum properties_charset {
    PROPERTIES_LATIN1, /* as Properties.load(InputStream), which Kafka uses */
    PROPERTIES_UTF8,   /* as Properties.load(Reader) on UTF-8; bytes pass as they are */
};

struct property {
    const char *key; /* NUL-terminated, as value; both are gone when the callback returns */
    size_t key_bytes;
    const char *value;
    size_t value_bytes;
    uint32_t line; /* where it begins, from 1 */
};

/* Embed and set pair; anything but OK stops the reading and becomes its result. */
struct properties_reader {
    enum err (*pair)(struct properties_reader *reader, const struct property *property);
    uint32_t line; /* after a failure: where */
};

/* All pairs of text, in its order.  ERR_MALFORMED: a \u without four hexadecimal digits.  A lone
 * half of a surrogate pair becomes U+FFFD. */
must_use enum err properties_read(struct properties_reader *reader, const char *text,
                                  size_t size_bytes, enum properties_charset charset);

/* "key=value\n" with what is special escaped, in ASCII, as Properties.store(OutputStream) writes
 * it.  key and value are UTF-8 (what is not well-formed becomes U+FFFD).  Returns the size without
 * NUL; like snprintf never writes more than max_bytes with the NUL, so call again with more room if
 * the result is not below max_bytes. */
size_t properties_format(char *out, size_t max_bytes, const char *key, const char *value);

#endif
