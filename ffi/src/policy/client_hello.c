/* SPDX-License-Identifier: MIT
 * From the first bytes of a connection to a server name and an ALPN list, in three steps: follow the records until the
 * message is whole; put it together where it is split; read it, vector by vector. Called by workers. */
#include "policy/client_hello.h"

#include <string.h>

#define RECORD_HEADER 5u         /* type, version, length: RFC 8446 section 5.1 */
#define RECORD_HANDSHAKE 22u     /* a type */
#define RECORD_MAJOR 3u          /* of the version; the minor one says nothing any more */
#define RECORD_MOST_BYTES 16384u /* behind the header */
#define MESSAGE_HEADER 4u        /* type, length: section 4 */
#define MESSAGE_CLIENT_HELLO 1u  /* a type */
#define RANDOM_BYTES 32u
#define SESSION_ID_MOST 32u
#define EXTENSION_SERVER_NAME 0u
#define EXTENSION_ALPN 16u
#define HOST_NAME 0u /* a type of name */
#define LABEL_MOST 63u

/* What is left to read of a vector. */
struct span {
    const uint8_t *at;
    uint32_t left;
};

static bool take(struct span *from, uint32_t size, struct span *taken)
{
    if (size > from->left) {
        return false;
    }
    *taken = (struct span){.at = from->at, .left = size};
    from->at += size;
    from->left -= size;
    return true;
}

/* A number of `width` bytes (at most 4), the most significant first. */
static bool take_number(struct span *from, uint32_t width, uint32_t *number)
{
    struct span digits;
    if (!take(from, width, &digits)) {
        return false;
    }
    *number = 0;
    for (uint32_t i = 0; i < width; i++) {
        *number = *number << 8 | digits.at[i];
    }
    return true;
}

/* A vector behind its length, which is a number of `width` bytes. */
static bool take_vector(struct span *from, uint32_t width, struct span *vector)
{
    uint32_t size;
    return take_number(from, width, &size) && take(from, size, vector);
}

static uint32_t record_size(const uint8_t *record)
{
    return (uint32_t)record[3] << 8 | record[4];
}

/* What a record's header says, of which `have` bytes are there; CLIENT_HELLO_DONE when it is whole and good. Records
 * without content are refused: a handshake has none, and they would let a client send for ever. */
static enum client_hello_result check_record(const uint8_t *record, uint32_t have, bool first)
{
    if ((have > 0 && record[0] != RECORD_HANDSHAKE) || (have > 1 && record[1] != RECORD_MAJOR)) {
        return first ? CLIENT_HELLO_NOT_TLS : CLIENT_HELLO_BAD;
    }
    if (have < RECORD_HEADER) {
        return CLIENT_HELLO_MORE;
    }
    return record_size(record) == 0 || record_size(record) > RECORD_MOST_BYTES ? CLIENT_HELLO_BAD : CLIENT_HELLO_DONE;
}

/* Size of the message whose header this is, with the header. */
static uint32_t message_size(uint32_t header)
{
    return MESSAGE_HEADER + (header & 0xffffffu);
}

/* Looks at one record, of which `have` bytes are there. `progress` moves behind it when it has been seen whole and the
 * message goes on: then the result is CLIENT_HELLO_MORE, too. When the message is whole, its size is set. */
static enum client_hello_result follow_record(const uint8_t *record, uint32_t have,
                                              struct client_hello_progress *progress, uint32_t *size)
{
    enum client_hello_result result = check_record(record, have, progress->record == 0);
    if (result != CLIENT_HELLO_DONE) {
        return result;
    }
    const uint8_t *content = record + RECORD_HEADER;
    uint32_t content_have = have - RECORD_HEADER < record_size(record) ? have - RECORD_HEADER : record_size(record);
    uint32_t message_have = progress->before + content_have;
    uint32_t header = progress->header;
    for (uint32_t i = 0; i < content_have && progress->before + i < MESSAGE_HEADER; i++) {
        header = header << 8 | content[i];
    }
    if (progress->before == 0 && content_have > 0 && content[0] != MESSAGE_CLIENT_HELLO) {
        return CLIENT_HELLO_NOT_TLS;
    }
    if (message_have >= MESSAGE_HEADER) {
        *size = message_size(header);
        if (message_have >= *size) {
            return CLIENT_HELLO_DONE;
        }
        /* Even if no further header came between, it would not end in time: there is nothing to wait for. */
        if (*size - message_have > CLIENT_HELLO_MOST_BYTES - progress->record - RECORD_HEADER - content_have) {
            return CLIENT_HELLO_BAD;
        }
    }
    if (content_have == record_size(record)) {
        progress->record = (uint16_t)(progress->record + RECORD_HEADER + content_have);
        progress->before = (uint16_t)message_have;
        progress->header = header;
    }
    return CLIENT_HELLO_MORE;
}

/* Follows the records from where the last call ended to where the bytes end, or the message does. */
static enum client_hello_result follow(const uint8_t *bytes, uint32_t length, struct client_hello_progress *progress,
                                       uint32_t *size)
{
    enum client_hello_result result = CLIENT_HELLO_MORE;
    uint32_t record = UINT32_MAX;
    while (result == CLIENT_HELLO_MORE && progress->record != record) {
        record = progress->record;
        result = follow_record(bytes + record, length - record, progress, size);
    }
    return result == CLIENT_HELLO_MORE && length == CLIENT_HELLO_MOST_BYTES ? CLIENT_HELLO_BAD : result;
}

/* Puts a message of `size` bytes together. It reads the records from their beginning and trusts no earlier look. */
static bool gather(const uint8_t *bytes, uint32_t length, uint8_t *message, uint32_t size)
{
    struct span stream = {.at = bytes, .left = length};
    uint32_t filled = 0;
    while (filled < size) {
        struct span content;
        if (check_record(stream.at, stream.left, false) != CLIENT_HELLO_DONE) {
            return false;
        }
        uint32_t rest = size - filled;
        uint32_t part = record_size(stream.at) < rest ? record_size(stream.at) : rest;
        stream.at += RECORD_HEADER;
        stream.left -= RECORD_HEADER;
        if (!take(&stream, part, &content)) {
            return false;
        }
        memcpy(message + filled, content.at, part);
        filled += part;
    }
    return true;
}

static char lower(uint8_t byte)
{
    return (char)(byte >= 'A' && byte <= 'Z' ? byte - 'A' + 'a' : byte);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Copies a host name in lower case and without a last dot; its length, 0 when it is none. */
static uint32_t copy_name(struct span name, char *copy)
{
    uint32_t length = name.left > 0 && name.at[name.left - 1] == '.' ? name.left - 1 : name.left;
    if (length > CLIENT_HELLO_MOST_NAME) {
        return 0;
    }
    uint32_t label = 0;
    uint32_t dots = 0;
    bool numeric = true;
    for (uint32_t i = 0; i < length; i++) {
        char c = lower(name.at[i]);
        copy[i] = c;
        if (c == '.' && label > 0) {
            label = 0;
            dots++;
        } else if ((c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '_') {
            label++;
            numeric = numeric && is_digit(c);
        } else {
            return 0;
        }
        if (label > LABEL_MOST) {
            return 0;
        }
    }
    bool address = numeric && dots == 3; /* an IPv6 address has characters that no name has */
    return label == 0 || address ? 0 : length;
}

/* The ServerNameList of RFC 6066 section 3. Later types of names must begin with a length, too. */
static bool read_server_name(struct span data, struct client_hello *hello)
{
    struct span list;
    struct span name;
    uint32_t type;
    bool found = false;
    if (!take_vector(&data, 2, &list) || data.left > 0 || list.left == 0) {
        return false;
    }
    while (list.left > 0) {
        if (!take_number(&list, 1, &type) || !take_vector(&list, 2, &name)) {
            return false;
        }
        if (type == HOST_NAME && !found) {
            found = true;
            hello->server_name_length = copy_name(name, hello->server_name);
        }
    }
    return true;
}

/* The ProtocolNameList of RFC 7301 section 3.1. */
static bool read_alpn(struct span data, struct client_hello *hello)
{
    struct span list;
    struct span name;
    bool room = true;
    if (!take_vector(&data, 2, &list) || data.left > 0 || list.left == 0) {
        return false;
    }
    while (list.left > 0) {
        if (!take_vector(&list, 1, &name) || name.left == 0) {
            return false;
        }
        room = room && name.left + 1 <= CLIENT_HELLO_MOST_ALPN - hello->alpn_length;
        if (room) {
            /* The name behind its length, as the client wrote it. */
            memcpy(hello->alpn + hello->alpn_length, name.at - 1, name.left + 1);
            hello->alpn_length += name.left + 1;
        }
    }
    return true;
}

static bool read_extensions(struct span extensions, struct client_hello *hello)
{
    struct span data;
    uint32_t type;
    bool named = false;
    bool offered = false;
    while (extensions.left > 0) {
        if (!take_number(&extensions, 2, &type) || !take_vector(&extensions, 2, &data)) {
            return false;
        }
        if (type == EXTENSION_SERVER_NAME) {
            if (named || !read_server_name(data, hello)) {
                return false;
            }
            named = true;
        } else if (type == EXTENSION_ALPN) {
            if (offered || !read_alpn(data, hello)) {
                return false;
            }
            offered = true;
        }
    }
    return true;
}

/* The ClientHello of RFC 8446 section 4.1.2, with its header. Before TLS 1.3 it could end without extensions. */
static bool read_message(struct span message, struct client_hello *hello)
{
    struct span body;
    struct span skipped;
    struct span session_id;
    struct span ciphers;
    struct span compressions;
    struct span extensions;
    uint32_t type;
    uint32_t version;
    if (!take_number(&message, 1, &type) || type != MESSAGE_CLIENT_HELLO || !take_vector(&message, 3, &body)) {
        return false;
    }
    if (!take_number(&body, 2, &version) || !take(&body, RANDOM_BYTES, &skipped) ||
        !take_vector(&body, 1, &session_id) || session_id.left > SESSION_ID_MOST || !take_vector(&body, 2, &ciphers) ||
        ciphers.left == 0 || ciphers.left % 2 != 0 || !take_vector(&body, 1, &compressions) || compressions.left == 0) {
        return false;
    }
    if (body.left == 0) {
        return true;
    }
    return take_vector(&body, 2, &extensions) && body.left == 0 && read_extensions(extensions, hello);
}

static void clear(struct client_hello *hello)
{
    hello->server_name_length = 0;
    hello->alpn_length = 0;
}

enum client_hello_result client_hello_read(const uint8_t *bytes, uint32_t length, struct client_hello *hello)
{
    clear(hello);
    hello->server_name[0] = '\0';
    if (length == 0) {
        return CLIENT_HELLO_MORE;
    }
    if (length > CLIENT_HELLO_MOST_BYTES) {
        length = CLIENT_HELLO_MOST_BYTES;
    }
    if (hello->progress.record > length) {
        hello->progress = (struct client_hello_progress){0};
    }
    uint32_t size = 0;
    enum client_hello_result result = follow(bytes, length, &hello->progress, &size);
    if (result != CLIENT_HELLO_DONE) {
        return result;
    }
    uint8_t gathered[CLIENT_HELLO_MOST_BYTES];
    struct span message = {.at = bytes + RECORD_HEADER, .left = size};
    if (hello->progress.record > 0) {
        if (!gather(bytes, length, gathered, size)) {
            return CLIENT_HELLO_BAD;
        }
        message.at = gathered;
    }
    if (!read_message(message, hello)) {
        clear(hello);
        result = CLIENT_HELLO_BAD;
    }
    hello->server_name[hello->server_name_length] = '\0';
    return result;
}

bool client_hello_offers(const struct client_hello *hello, const char *name, uint32_t length)
{
    struct span list = {.at = hello->alpn, .left = hello->alpn_length};
    struct span offered;
    while (take_vector(&list, 1, &offered)) {
        if (offered.left == length && memcmp(offered.at, name, length) == 0) {
            return true;
        }
    }
    return false;
}
