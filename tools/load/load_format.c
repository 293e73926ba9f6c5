#include "tools/load/load_format.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

char *load_format_count(uint64_t value, char out[static LOAD_FORMAT_BYTES])
{
    char digits[24];
    int length = snprintf(digits, sizeof(digits), "%" PRIu64, value);
    char *to = out;

    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
    return out;
}

/* At least three digits that count. */
static int decimals_of(double value)
{
    double size = fabs(value);

    return size >= 99.95 || size == 0 ? 0 : size >= 9.995 ? 1 : size >= 0.9995 ? 2 : 3;
}

char *load_format_number(double value, char out[static LOAD_FORMAT_BYTES])
{
    char text[LOAD_FORMAT_BYTES];

    if (!isfinite(value))
        snprintf(out, LOAD_FORMAT_BYTES, "-");
    else if (value >= 999.5 && value < 1e12)
        load_format_count((uint64_t)llround(value), out);
    else if (fabs(value) >= 1e12)
        snprintf(out, LOAD_FORMAT_BYTES, "%.3g", value);
    else {
        snprintf(text, sizeof(text), "%.*f", decimals_of(value), value);
        snprintf(out, LOAD_FORMAT_BYTES, "%s", text);
    }
    return out;
}

static char *scaled(double value, const char *const *units, const double *sizes, size_t count,
                    char *out)
{
    size_t i = 0;

    if (!isfinite(value)) {
        snprintf(out, LOAD_FORMAT_BYTES, "-");
        return out;
    }
    while (i + 1 < count && fabs(value) >= sizes[i + 1] * 0.9995)
        i++;
    snprintf(out, LOAD_FORMAT_BYTES, "%.*f %s", i == 0 ? 0 : decimals_of(value / sizes[i]),
             value / sizes[i], units[i]);
    return out;
}

char *load_format_ns(double ns, char out[static LOAD_FORMAT_BYTES])
{
    static const char *const units[] = {"ns", "\xc2\xb5s", "ms", "s"};
    static const double sizes[] = {1, 1e3, 1e6, 1e9};

    return scaled(ns, units, sizes, 4, out);
}

char *load_format_bytes(double bytes, char out[static LOAD_FORMAT_BYTES])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    static const double sizes[] = {1, 1e3, 1e6, 1e9, 1e12};

    return scaled(bytes, units, sizes, 5, out);
}

char *load_format_short(double value, char out[static LOAD_FORMAT_BYTES])
{
    double size = fabs(value);
    double unit = size >= 1e9 ? 1e9 : size >= 1e6 ? 1e6 : size >= 1e3 ? 1e3 : 1;

    snprintf(out, LOAD_FORMAT_BYTES, "%.6g%s", value / unit,
             unit >= 1e9   ? "G"
             : unit >= 1e6 ? "M"
             : unit >= 1e3 ? "k"
                           : "");
    return out;
}
