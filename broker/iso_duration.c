#include "broker/iso_duration.h"

#include <ctype.h>
#include <stdbool.h>

enum { FRACTION_DIGITS_MAX = 9 };

struct reading {
    const char *at;
    const char *end;
    int64_t seconds;
    bool is_short; /* by a fraction: the sum is below seconds */
    bool is_too_large;
};

static bool take(struct reading *reading, char letter)
{
    if (reading->at == reading->end || toupper((unsigned char)*reading->at) != letter)
        return false;
    reading->at++;
    return true;
}

/* A sign; true: minus. */
static bool take_minus(struct reading *reading)
{
    bool is_minus = reading->at < reading->end && *reading->at == '-';

    if (is_minus || (reading->at < reading->end && *reading->at == '+'))
        reading->at++;
    return is_minus;
}

/* The digits behind the point of seconds; true: they are more than nothing. */
static bool take_fraction(struct reading *reading)
{
    bool is_any = false;
    int count = 0;

    if (reading->at == reading->end || (*reading->at != '.' && *reading->at != ','))
        return false;
    for (reading->at++; reading->at < reading->end && *reading->at >= '0' && *reading->at <= '9' &&
                        count < FRACTION_DIGITS_MAX;
         reading->at++, count++)
        is_any = is_any || *reading->at != '0';
    return is_any;
}

/* A number and its unit's letter; false, and nothing is taken: it is another one or none. */
static bool take_part(struct reading *reading, char letter, int64_t unit_s)
{
    struct reading begin = *reading;
    bool is_minus = take_minus(reading);
    int64_t number = 0;
    bool has_digits = false;
    bool has_fraction;

    for (; reading->at < reading->end && *reading->at >= '0' && *reading->at <= '9';
         reading->at++) {
        int64_t digit = *reading->at - '0';
        has_digits = true;
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, digit, &number))
            reading->is_too_large = true;
    }
    has_fraction = letter == 'S' && has_digits && take_fraction(reading);
    if (!has_digits || !take(reading, letter)) {
        *reading = begin;
        return false;
    }
    if (is_minus)
        number = -number;
    if (__builtin_mul_overflow(number, unit_s, &number) ||
        __builtin_add_overflow(reading->seconds, number, &reading->seconds))
        reading->is_too_large = true;
    reading->is_short = has_fraction && is_minus;
    return true;
}

enum err iso_duration_parse(const char *text, size_t size_bytes, int64_t *seconds_out)
{
    struct reading reading = {.at = text, .end = text + size_bytes};
    bool is_minus = take_minus(&reading);
    bool has_any;

    if (!take(&reading, 'P'))
        return ERR_MALFORMED;
    has_any = take_part(&reading, 'D', 86400);
    if (take(&reading, 'T')) {
        bool has_time = take_part(&reading, 'H', 3600);
        has_time |= take_part(&reading, 'M', 60);
        has_time |= take_part(&reading, 'S', 1);
        if (!has_time)
            return ERR_MALFORMED;
        has_any = true;
    }
    if (!has_any || reading.at != reading.end)
        return ERR_MALFORMED;
    if (reading.is_too_large || reading.seconds == INT64_MIN)
        return ERR_INVALID;
    if (is_minus)
        *seconds_out = -reading.seconds;
    else
        *seconds_out = reading.seconds - reading.is_short;
    return OK;
}
