#include "broker/stop_patience.h"

bool stop_patience_is_over(struct stop_patience *patience, uint64_t progress, uint64_t passed_ms)
{
    if (progress != patience->progress)
        patience->still_ms = 0;
    else
        patience->still_ms += passed_ms;
    patience->progress = progress;
    return patience->still_ms >= patience->limit_ms;
}
