#include "net/client/client_cluster.h"

#include <limits.h>

struct client_options client_options_default(void)
{
    return (struct client_options){
        .request_timeout_ms = 30000,
        .connect_max_ms = 10000,
        .reconnect_first_ms = 50,
        .reconnect_max_ms = 1000,
        .retry_first_ms = 100,
        .retry_max_ms = 1000,
        .metadata_max_age_ms = 300000,
        .frame_max_bytes = 128 << 20,
        .calls_max = 1024,
        .allow_auto_create = true,
    };
}
