/* log_line: structured log lines.  One event, one line, one code that the manual explains.
 *
 *   log_line(sink, LOG_WARN, "LVE-2204", "it is quarantined",
 *            log_str("topic", name), log_i64("offset", offset), log_err(err));
 *
 * A sink belongs to one loop, which has its own limits and its own line buffer.  Formats:
 *   text    [2026-01-02 03:04:05,678] WARN LVE-2204 it is quarantined topic=t offset=7
 *   logfmt  time=2026-01-02T03:04:05.678Z level=warn code=LVE-2204 msg="it is quarantined" topic=t
 *   json    {"time":"2026-01-02T03:04:05.678Z","level":"warn","code":"LVE-2204","message":...}
 * Times are UTC.  Control characters and bytes that are not UTF-8 are escaped, so an event never
 * takes more than its line.
 *
 * Of lines at LOG_INFO and above, each code may write burst_max at once and per_second afterwards;
 * the next line says suppressed=N.  The first LOG_ERROR of a code is always written.  Codes that
 * are not in log_codes.h have no limit. */
#ifndef LEVEE_BASE_LOG_LINE_H
#define LEVEE_BASE_LOG_LINE_H

#include "base/clock.h"
#include "base/err.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LOG_LINE_MAX = 8192,  /* bytes with the line end; what is longer is cut and marked with ... */
    LOG_VALUE_MAX = 1024, /* bytes of one value, before escaping */
    LOG_CODES_MAX = 1024, /* entries of log_codes.h */
    LOG_BURST_DEFAULT = 10,
};

enum log_level { LOG_TRACE, LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

struct log_limit {
    uint64_t refilled_ns; /* when tokens was last right */
    uint32_t used;        /* tokens taken out of burst_max */
    uint32_t suppressed;  /* lines since the last written one */
    bool seen;            /* refilled_ns is meaningful */
    bool error_seen;      /* a LOG_ERROR was written */
};

struct log_sink {
    /* size_bytes of line with its '\n' at the end. */
    void (*write)(struct log_sink *sink, enum log_level level, const char *line, size_t size_bytes);
    struct clock *clock;
    enum log_level min_level;
    enum log_format format;
    uint32_t burst_max;                     /* 0: no limit */
    uint32_t per_second;                    /* lines of one code after a burst */
    uint64_t suppressed_count;              /* all lines ever suppressed */
    struct log_limit limits[LOG_CODES_MAX]; /* by index in log_codes.h */
};

struct log_field {
    const char *key; /* [a-z0-9_]+, a literal */
    enum {
        LOG_FIELD_TEXT,
        LOG_FIELD_I64,
        LOG_FIELD_U64,
        LOG_FIELD_HEX,
        LOG_FIELD_BOOL,
        LOG_FIELD_ERR,
        LOG_FIELD_UUID,
    } type;
    union {
        struct {
            const char *bytes; /* NULL: no value */
            size_t size_bytes;
        } text;
        int64_t i64;
        uint64_t u64;
        bool boolean;
        enum err err;
        struct uuid uuid;
    };
};

/* Write with the given fields; see above.  code: literal from log_codes.h.  message: literal, says
 * what happened, without values.  The fields are not evaluated when the level is off. */
#define log_line(sink, level, code, message, ...)                                       \
    do {                                                                                \
        struct log_sink *log_line_sink = (sink);                                        \
        if (log_is_on(log_line_sink, level))                                            \
            log_line_write(log_line_sink, level, code, message,                         \
                           sizeof((struct log_field[]){{.key = NULL}, ##__VA_ARGS__}) / \
                                   sizeof(struct log_field) -                           \
                               1,                                                       \
                           (struct log_field[]){{.key = NULL}, ##__VA_ARGS__} + 1);     \
    } while (0)

static inline bool log_is_on(const struct log_sink *sink, enum log_level level)
{
    return level >= sink->min_level;
}

/* The fields as an array; what log_line expands to. */
void log_line_write(struct log_sink *sink, enum log_level level, const char *code,
                    const char *message, size_t field_count, const struct log_field *fields);

/* write and clock stay the caller's.  Limits: LOG_BURST_DEFAULT, then one a second. */
void log_sink_init(struct log_sink *sink,
                   void (*write)(struct log_sink *sink, enum log_level level, const char *line,
                                 size_t size_bytes),
                   struct clock *clock, enum log_level min_level, enum log_format format);

/* Write an LVE-1003 line for each code whose last lines were suppressed.  Call it now and then
 * (once a minute) and at the end, so that no count is left untold. */
void log_sink_report_suppressed(struct log_sink *sink);

/* One row of log_codes.h. */
struct log_code {
    const char *code;
    const char *text;
    const char *advice;
};

/* All rows. */
const struct log_code *log_codes(size_t *count);

/* The row of "LVE-1001", or NULL. */
const struct log_code *log_code_find(const char *code);

/* "trace", "debug", "info", "warn" or "error" in any case.  ERR_MALFORMED. */
must_use enum err log_level_parse(const char *text, size_t size_bytes, enum log_level *out);

/* "text", "logfmt" or "json".  ERR_MALFORMED. */
must_use enum err log_format_parse(const char *text, size_t size_bytes, enum log_format *out);

/* Fields.  Pointers must live until log_line returns. */
static inline struct log_field log_text(const char *key, const char *bytes, size_t size_bytes)
{
    return (struct log_field){
        .key = key, .type = LOG_FIELD_TEXT, .text = {.bytes = bytes, .size_bytes = size_bytes}};
}

/* NUL-terminated; NULL is written as no value. */
static inline struct log_field log_str(const char *key, const char *text)
{
    return log_text(key, text, text == NULL ? 0 : strlen(text));
}

static inline struct log_field log_i64(const char *key, int64_t value)
{
    return (struct log_field){.key = key, .type = LOG_FIELD_I64, .i64 = value};
}

static inline struct log_field log_u64(const char *key, uint64_t value)
{
    return (struct log_field){.key = key, .type = LOG_FIELD_U64, .u64 = value};
}

/* As 0x1f. */
static inline struct log_field log_hex(const char *key, uint64_t value)
{
    return (struct log_field){.key = key, .type = LOG_FIELD_HEX, .u64 = value};
}

static inline struct log_field log_bool(const char *key, bool value)
{
    return (struct log_field){.key = key, .type = LOG_FIELD_BOOL, .boolean = value};
}

/* error=ERR_IO */
static inline struct log_field log_err(enum err err)
{
    return (struct log_field){.key = "error", .type = LOG_FIELD_ERR, .err = err};
}

static inline struct log_field log_uuid(const char *key, const struct uuid *uuid)
{
    return (struct log_field){.key = key, .type = LOG_FIELD_UUID, .uuid = *uuid};
}

#endif
