/* SPDX-License-Identifier: MIT
 * Texts of sessions. Called by preread.c and session.c on the worker's thread. */
#include "path/session_text.h"

#include <string.h>

_Static_assert(sizeof(struct session_text) + CLIENT_HELLO_MOST_NAME + CLIENT_HELLO_MOST_ALPN + 8u <= SESSION_TEXT_LARGE,
               "the longest of both fits");

static struct slab *slab_of(struct path *path, uint32_t bytes)
{
    return sizeof(struct session_text) + ((bytes + 7u) & ~7u) <= SESSION_TEXT_SMALL ? &path->texts : &path->long_texts;
}

/* Copies the list of protocols with commas between. What is not plain text becomes a question mark: clients send
 * numbers that mean nothing (RFC 8701), and a comma is ours. */
static void copy_protocols(const struct client_hello *hello, char *to)
{
    for (uint32_t at = 0; at < hello->alpn_length;) {
        uint32_t end = at + 1 + hello->alpn[at];
        if (at > 0) {
            *to++ = ',';
        }
        for (at++; at < end; at++) {
            uint8_t byte = hello->alpn[at];
            *to++ = byte > 0x20 && byte < 0x7f && byte != ',' ? (char)byte : '?';
        }
    }
}

struct session_text *session_text_new(struct path *path, const struct client_hello *hello)
{
    uint32_t index;
    uint32_t generation;
    uint32_t alpn_length = hello->alpn_length > 0 ? hello->alpn_length - 1 : 0; /* a comma for each length but one */
    uint32_t length = hello->server_name_length + alpn_length;
    if (length == 0) {
        return NULL;
    }
    struct session_text *text = slab_take(slab_of(path, length), &index, &generation);
    if (text == NULL) {
        return NULL;
    }
    text->index = index;
    text->name_length = (uint16_t)hello->server_name_length;
    text->alpn_length = (uint16_t)alpn_length;
    memcpy(text->bytes, hello->server_name, hello->server_name_length);
    copy_protocols(hello, text->bytes + hello->server_name_length);
    return text;
}

void session_text_free(struct path *path, struct session_text *text)
{
    if (text != NULL) {
        slab_give(slab_of(path, (uint32_t)text->name_length + text->alpn_length), text->index);
    }
}
