/* SPDX-License-Identifier: MIT
 *
 * The header of the PROXY protocol, versions 1 (a line of text) and 2 (binary), which a proxy puts before the bytes of
 * a connection to tell whose it is. Pure: called by workers with the bytes that a client has sent so far, and to make
 * the bytes that an endpoint gets first. Whether a listener takes headers, and from whom, is the caller's; no listener
 * may guess by looking for one.
 *
 * Read more leniently than the text asks: a header may arrive in any pieces, and an IPv6 address in text may end as
 * IPv4 behind "::" or "::ffff:", as inet_ntop writes it.
 */
#ifndef SLUICE_POLICY_PROXY_PROTOCOL_H
#define SLUICE_POLICY_PROXY_PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>

#include "sluice.h"

/* Longest header that is accepted. The text allows 64 KiB; this is room for a client certificate among the TLVs. */
#define PROXY_HEADER_MOST_BYTES 16384u

/* Longest header that is written: a line with two full IPv6 addresses. */
#define PROXY_HEADER_WRITE_MOST 104u

enum proxy_header_result {
    PROXY_HEADER_MORE, /* valid so far, and not whole */
    PROXY_HEADER_DONE, /* whole and valid */
    PROXY_HEADER_BAD   /* no further bytes can make it valid */
};

/* What a header says. A v4-mapped address is left as it came, of family IPv6. */
struct proxy_header {
    uint32_t length;            /* bytes of the whole header; what the client itself sent begins behind them */
    bool local;                 /* the socket's own addresses hold: all below is zero */
    uint8_t family;             /* SLUICE_FAMILY_*; of UNIX neither path is kept: only that the client came by one */
    uint8_t source_ip[16];      /* the client; network order, IPv4 in the first four bytes and the rest zero */
    uint8_t destination_ip[16]; /* where it connected to */
    uint16_t source_port;       /* host order */
    uint16_t destination_port;
};

/* Reads a header at the start of `length` bytes: all that have arrived, from the first one on, and at each call more.
 * Bytes behind the header change nothing. `header` is written when it is DONE, else left alone.
 *
 * Local is what says LOCAL or UNKNOWN, and, in version 2, an unspecified family or protocol and datagrams: to a valid
 * combination that it has no use for, a receiver answers as to an unspecified one. Of these whatever `len` covers is
 * skipped unseen. Behind stream addresses the TLVs must fill `len` exactly; a CRC32C among them must be right, and
 * other values are not looked at. An unassigned command, family or protocol is BAD. */
enum proxy_header_result proxy_header_read(const uint8_t *bytes, uint32_t length, struct proxy_header *header);

/* Whose connection it is that a header is written for. */
struct proxy_addresses {
    uint8_t source_family;      /* SLUICE_FAMILY_* */
    uint8_t destination_family; /* SLUICE_FAMILY_* */
    uint8_t source_ip[16];      /* as in proxy_header */
    uint8_t destination_ip[16];
    uint16_t source_port; /* host order */
    uint16_t destination_port;
};

/* Each writes a header into `out`, which has room for PROXY_HEADER_WRITE_MOST bytes, and returns its length. The caller
 * sends it before all else, in one write with what follows.
 *
 * Of an IPv4 and an IPv6 address the former becomes v4-mapped. Unless both ends are IP addresses, nothing is told of
 * either: UNKNOWN in version 1, LOCAL in version 2, which every receiver must accept; so too for clients of unix
 * sockets, whose names mean nothing to another machine. A health check is LOCAL in version 2; in version 1 it gives the
 * addresses of its own socket, because receivers may refuse UNKNOWN. */
uint32_t proxy_header_write_v1(uint8_t *out, const struct proxy_addresses *addresses);
uint32_t proxy_header_write_v2(uint8_t *out, const struct proxy_addresses *addresses);

#endif
