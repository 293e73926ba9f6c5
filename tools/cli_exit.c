/* cli_exit: which exit code an error has; docs/cli.md has the table. */
#include "tools/cli.h"

enum cli_exit cli_exit_of(enum err err)
{
    switch (err) {
    case OK:
        return CLI_OK;
    case ERR_NOT_FOUND:
        return CLI_NOT_FOUND;
    case ERR_EXISTS:
    case ERR_IN_USE:
        return CLI_CONFLICT;
    case ERR_PERMISSION:
        return CLI_NOT_AUTHORISED;
    case ERR_TIMEOUT:
        return CLI_TIMED_OUT;
    default:
        return CLI_FAILED;
    }
}

enum cli_exit cli_exit_of_kafka(int16_t error_code)
{
    switch (error_code) {
    case KAFKA_NONE:
        return CLI_OK;
    case KAFKA_UNKNOWN_TOPIC_OR_PARTITION:
    case KAFKA_UNKNOWN_TOPIC_ID:
    case KAFKA_GROUP_ID_NOT_FOUND:
    case KAFKA_TRANSACTIONAL_ID_NOT_FOUND:
        return CLI_NOT_FOUND;
    case KAFKA_TOPIC_ALREADY_EXISTS:
    case KAFKA_NON_EMPTY_GROUP:
        return CLI_CONFLICT;
    case KAFKA_TOPIC_AUTHORIZATION_FAILED:
    case KAFKA_GROUP_AUTHORIZATION_FAILED:
    case KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case KAFKA_CLUSTER_AUTHORIZATION_FAILED:
        return CLI_NOT_AUTHORISED;
    case KAFKA_REQUEST_TIMED_OUT:
        return CLI_TIMED_OUT;
    default:
        return CLI_FAILED;
    }
}
