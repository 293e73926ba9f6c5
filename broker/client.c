#include "broker/client.h"

void client_init(struct client *client, const struct io_address *peer,
                 const struct io_address *local, const char *listener)
{
    *client = (struct client){
        .principal = CLIENT_ANONYMOUS, .listener = listener, .peer = *peer, .local = *local};
    list_init(&client->starting);
}

void client_deinit(struct client *client)
{
    fetch_sessions_drop_owner(&client->fetch_sessions);
}

static void keep_text(char out[static CLIENT_SOFTWARE_TEXT_MAX], struct wire_string text)
{
    size_t size = text.size_bytes > 0 ? (size_t)text.size_bytes : 0;

    if (size >= CLIENT_SOFTWARE_TEXT_MAX)
        size = CLIENT_SOFTWARE_TEXT_MAX - 1;
    if (size > 0)
        memcpy(out, text.text, size);
    out[size] = '\0';
}

void client_set_software(struct client *client, struct wire_string name, struct wire_string version)
{
    keep_text(client->software_name, name);
    keep_text(client->software_version, version);
}
