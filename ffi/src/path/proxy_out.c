/* SPDX-License-Identifier: MIT
 * PROXY headers for endpoints. Called by connector.c and relay.c on the worker's thread. */
#include "path/proxy_out.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "path/meter.h"

/* A v4-mapped address becomes IPv4, as clients' addresses do: both ends of a dual-stack socket are of one family. */
static void set_destination(struct proxy_addresses *addresses, uint32_t family, const uint8_t *ip, uint16_t port)
{
    static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    bool mapped = family == SLUICE_FAMILY_IPV6 && memcmp(ip, mapped_prefix, sizeof(mapped_prefix)) == 0;
    bool ipv4 = mapped || family == SLUICE_FAMILY_IPV4;
    addresses->destination_family = (uint8_t)(mapped ? SLUICE_FAMILY_IPV4 : family);
    addresses->destination_port = port;
    memset(addresses->destination_ip, 0, sizeof(addresses->destination_ip));
    if (family == SLUICE_FAMILY_IPV4 || family == SLUICE_FAMILY_IPV6) {
        memcpy(addresses->destination_ip, mapped ? ip + sizeof(mapped_prefix) : ip, ipv4 ? 4 : 16);
    }
}

void session_destination(const struct session *session, struct proxy_addresses *addresses)
{
    const struct session_meter *meter = session->meter;
    struct net_address own;
    if (meter != NULL && meter->destination_family != SLUICE_FAMILY_NONE) {
        set_destination(addresses, meter->destination_family, meter->destination_ip, meter->destination_port);
    } else if (net_local_address(session->side[CLIENT].fd, &own) != 0) {
        set_destination(addresses, SLUICE_FAMILY_NONE, NULL, 0);
    } else if (own.any.sa_family == AF_INET) {
        set_destination(addresses, SLUICE_FAMILY_IPV4, (const uint8_t *)&own.ipv4.sin_addr, net_address_port(&own));
    } else if (own.any.sa_family == AF_INET6) {
        set_destination(addresses, SLUICE_FAMILY_IPV6, own.ipv6.sin6_addr.s6_addr, net_address_port(&own));
    } else {
        set_destination(addresses, SLUICE_FAMILY_UNIX, NULL, 0);
    }
}

uint32_t proxy_out_header(const struct session *session, const struct backend *backend,
                          uint8_t out[static PROXY_HEADER_WRITE_MOST])
{
    struct proxy_addresses addresses = {.source_family = session->client_family, .source_port = session->client_port};
    if (backend->send_proxy == SLUICE_SEND_PROXY_OFF) {
        return 0;
    }
    memcpy(addresses.source_ip, session->client_ip, sizeof(addresses.source_ip));
    session_destination(session, &addresses);
    return backend->send_proxy == SLUICE_SEND_PROXY_V1 ? proxy_header_write_v1(out, &addresses)
                                                       : proxy_header_write_v2(out, &addresses);
}

void proxy_out_begin(struct session *session)
{
    session->header_due = session->backend->send_proxy != SLUICE_SEND_PROXY_OFF;
    session->header_sent = 0;
}

ssize_t proxy_out_send(struct session *session, const uint8_t *bytes, size_t length, int flags)
{
    uint8_t header[PROXY_HEADER_WRITE_MOST];
    uint32_t left = proxy_out_header(session, session->backend, header) - session->header_sent;
    struct iovec parts[] = {
        {.iov_base = header + session->header_sent, .iov_len = left},
        {.iov_base = (void *)(uintptr_t)bytes, .iov_len = length},
    };
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = length > 0 ? 2 : 1};
    ssize_t sent = sendmsg(session->side[ENDPOINT].fd, &message, flags);
    if (sent < 0) {
        return sent;
    }
    uint32_t of_header = (size_t)sent < left ? (uint32_t)sent : left;
    session->header_sent = (uint8_t)(session->header_sent + of_header);
    session->header_due = of_header < left;
    return sent - (ssize_t)of_header;
}
