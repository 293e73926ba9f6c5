#include "tools/load/load_axis.h"

#include "tools/load/load_format.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LINEAR_TICKS = 5 };

static void add(struct load_axis *axis, double value, const char *text)
{
    struct load_tick *tick;

    if (axis->ticks_count == LOAD_TICKS_MAX)
        return;
    tick = &axis->ticks[axis->ticks_count++];
    tick->value = value;
    snprintf(tick->text, sizeof(tick->text), "%s", text);
}

static void name_of(const struct load_axis *axis, double value, char out[static LOAD_FORMAT_BYTES])
{
    static const char *const units[] = {"ns", "\xc2\xb5s", "ms", "s"};
    int unit = 0;

    switch (axis->unit) {
    case LOAD_UNIT_NS:
        while (unit < 3 && value >= 999.5) {
            value /= 1000;
            unit++;
        }
        snprintf(out, LOAD_FORMAT_BYTES, "%.4g %s", value, units[unit]);
        break;
    case LOAD_UNIT_BYTES:
        load_format_short(value, out);
        break;
    case LOAD_UNIT_RATIO:
        snprintf(out, LOAD_FORMAT_BYTES, "%g\xc3\x97", value);
        break;
    case LOAD_UNIT_SECONDS:
        if (value >= 60 && fmod(value, 60) == 0)
            snprintf(out, LOAD_FORMAT_BYTES, "%.0f min", value / 60);
        else
            snprintf(out, LOAD_FORMAT_BYTES, "%.4g s", value);
        break;
    default:
        load_format_short(value, out);
    }
}

static double step_of(double span, enum load_unit unit)
{
    static const double seconds[] = {0.1, 0.2, 0.5, 1,   2,   5,    10,   15,   30,
                                     60,  120, 300, 600, 900, 1800, 3600, 7200, 14400};
    double raw = span / LINEAR_TICKS;
    double decade = pow(10, floor(log10(raw)));
    double times = raw / decade;

    if (unit == LOAD_UNIT_SECONDS)
        for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++)
            if (seconds[i] >= raw * 0.8)
                return seconds[i];
    return decade * (times <= 1 ? 1 : times <= 2 ? 2 : times <= 2.5 ? 2.5 : times <= 5 ? 5 : 10);
}

static void mark_linear(struct load_axis *axis, double low, double high)
{
    char text[LOAD_FORMAT_BYTES];
    double step;

    if (axis->unit == LOAD_UNIT_SECONDS) {
        axis->from = low;
        axis->to = high > low ? high : low + 1;
        step = step_of(axis->to - axis->from, axis->unit);
    } else {
        axis->from = 0;
        high = high > 0 ? high * 1.02 : 1;
        step = step_of(high, axis->unit);
        axis->to = ceil(high / step) * step;
    }
    for (int i = (int)ceil(axis->from / step); i * step <= axis->to * 1.0001; i++) {
        name_of(axis, i * step, text);
        add(axis, i * step, text);
    }
}

/* Decades; where there are few, 2 and 5 as well. */
static void mark_log(struct load_axis *axis, double low, double high)
{
    static const double fine[] = {1, 2, 5};
    char text[LOAD_FORMAT_BYTES];
    double decades;
    int first;

    if (!(low > 0))
        low = 1;
    if (!(high > low))
        high = low * 10;
    decades = log10(high / low);
    /* ends at 1, 2 or 5 of a decade */
    axis->from = pow(10, floor(log10(low)));
    axis->from *= low >= axis->from * 5 ? 5 : low >= axis->from * 2 ? 2 : 1;
    axis->to = pow(10, floor(log10(high)));
    axis->to *= high <= axis->to ? 1 : high <= axis->to * 2 ? 2 : high <= axis->to * 5 ? 5 : 10;
    if (axis->to <= axis->from)
        axis->to = axis->from * 10;
    first = (int)floor(log10(axis->from) + 1e-9);
    for (int decade = first; pow(10, decade) <= axis->to * 1.0001; decade++)
        for (int i = 0; i < 3; i++) {
            double value = pow(10, decade) * fine[i];
            if (value < axis->from * 0.9999 || value > axis->to * 1.0001)
                continue;
            name_of(axis, value, text);
            add(axis, value, i == 0 || decades < 2.2 ? text : "");
        }
}

static void mark_nines(struct load_axis *axis, double high)
{
    static const char *const names[] = {"", "90", "99", "99.9", "99.99", "99.999", "99.9999", ""};

    axis->from = 0;
    axis->to = high < 1 ? 1 : high;
    add(axis, -log10(0.5), "50");
    for (int i = 0; i <= axis->to && i < 8; i++)
        add(axis, i, names[i]);
}

void load_axis_init(struct load_axis *axis, enum load_unit unit, bool is_log, double low,
                    double high)
{
    *axis = (struct load_axis){.unit = unit, .is_log = is_log};
    if (unit == LOAD_UNIT_NINES)
        mark_nines(axis, high);
    else if (is_log)
        mark_log(axis, low, high);
    else
        mark_linear(axis, low, high);
}

double load_axis_place(const struct load_axis *axis, double value)
{
    if (axis->is_log)
        return log(value / axis->from) / log(axis->to / axis->from);
    return (value - axis->from) / (axis->to - axis->from);
}
