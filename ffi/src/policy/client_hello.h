/* SPDX-License-Identifier: MIT
 *
 * Reads the server name and the ALPN list out of the first bytes of a connection, so that a route can be chosen by
 * them. The bytes are only looked at; the endpoint gets them unchanged. Called by workers, on their own threads, with
 * what has been received so far. Pure: all state is in the caller's struct.
 *
 * What is read is the ClientHello (RFC 8446 section 4.1.2; the same shape since SSL 3) in one or more records (section
 * 5.1), and in it the extensions server_name (RFC 6066 section 3) and application_layer_protocol_negotiation (RFC 7301
 * section 3.1). Everything else, GREASE, key shares, PSK and encrypted hellos with it, is stepped over by its length:
 * the endpoint judges it. The name is what the client says, and no proof of who it is or of what it will ask for; an
 * encrypted hello shows its outer name.
 */
#ifndef SLUICE_POLICY_CLIENT_HELLO_H
#define SLUICE_POLICY_CLIENT_HELLO_H

#include <stdbool.h>
#include <stdint.h>

#define CLIENT_HELLO_MOST_BYTES 16384u /* of the stream that are looked at, headers of records with them */
#define CLIENT_HELLO_MOST_NAME 255u    /* bytes of a server name, without the last dot */
#define CLIENT_HELLO_MOST_ALPN 256u    /* bytes of the ALPN list that are kept, a byte of length before each name */

enum client_hello_result {
    CLIENT_HELLO_MORE,    /* not whole yet, and nothing wrong so far: call again with more bytes */
    CLIENT_HELLO_DONE,    /* whole: server name and ALPN are filled in */
    CLIENT_HELLO_NOT_TLS, /* no TLS client begins so; known at the first byte that tells, mostly the very first */
    CLIENT_HELLO_BAD,     /* begins as TLS, but is malformed or does not end within CLIENT_HELLO_MOST_BYTES */
};

/* How far the records have been followed, so that a client that sends byte by byte does not have all of them followed
 * again for each. A caller that uses one client_hello for many connections keeps this of each, and nothing else. */
struct client_hello_progress {
    uint16_t record; /* offset in the stream of the first record that has not been seen whole */
    uint16_t before; /* bytes of the message in the records before that one */
    uint32_t header; /* up to four bytes of the message's header that were in those: its type, its length */
};

struct client_hello {
    struct client_hello_progress progress; /* all zero before the first call for a connection; then not the caller's */
    uint32_t server_name_length;           /* 0: no name that a route could have */
    uint32_t alpn_length;                  /* 0: no ALPN */
    char server_name[CLIENT_HELLO_MOST_NAME + 1]; /* lower case, without a last dot; ends in a zero byte */
    /* The first names that the client offers, in its order, each behind a byte with its length. One that does not fit
     * and those behind it are left out: the list is as long as a client likes, ours are those of routes. */
    uint8_t alpn[CLIENT_HELLO_MOST_ALPN];
};

/* Reads the first `length` bytes of a connection, all that were received so far. They may be more than were asked for
 * or than the hello has; what lies behind it, or behind CLIENT_HELLO_MOST_BYTES, is not looked at. Name and ALPN are
 * empty with any result but CLIENT_HELLO_DONE.
 *
 * A call costs what has come since the last one, and the message is read once, when it is whole. Only counts are kept,
 * and each call checks them against its own bytes: should those before have changed or become fewer (a peek passes
 * over urgent data that arrives late), the answer may be CLIENT_HELLO_BAD, and nothing outside of `bytes` is read.
 *
 * There is no server name, and that is no error, where RFC 6066 does not allow what the client sent as a host name (an
 * IPv4 or IPv6 address, a name in other than ASCII) or no route could be named so: an empty name or label, a label of
 * more than 63 bytes, a name of more than 255, a character other than a letter, digit, hyphen or underscore. Such a
 * client gets the default route, as one without the extension does. Of several host names the first counts. What
 * leaves in doubt where the name is (a vector that is cut short or not filled, either extension twice) is
 * CLIENT_HELLO_BAD: proxy and endpoint might read different names out of it. */
enum client_hello_result client_hello_read(const uint8_t *bytes, uint32_t length, struct client_hello *hello);

/* Whether the client offers an application protocol, compared byte by byte (RFC 7301 section 3.1). */
bool client_hello_offers(const struct client_hello *hello, const char *name, uint32_t length);

#endif
