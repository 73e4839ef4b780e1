/* SPDX-License-Identifier: MIT
 * What the sources of policy/proxy_protocol share; for them alone. */
#ifndef SLUICE_POLICY_PROXY_WIRE_H
#define SLUICE_POLICY_PROXY_WIRE_H

#include "policy/proxy_protocol.h"

/* Version 2: signature, command, family with protocol, and length of the rest, which is addresses and TLVs. */
#define PROXY_SIGNATURE ((const uint8_t *)"\r\n\r\n\0\r\nQUIT\n")
#define PROXY_SIGNATURE_BYTES 12u
#define PROXY_FIXED_BYTES 16u

#define PROXY_COMMAND_LOCAL 0x20u /* the upper four bits are the version, which is 2 */
#define PROXY_COMMAND_PROXY 0x21u

#define PROXY_UNSPECIFIED 0x00u
#define PROXY_STREAM_IPV4 0x11u
#define PROXY_STREAM_IPV6 0x21u
#define PROXY_STREAM_UNIX 0x31u

#define PROXY_ADDRESSES_IPV4 (2u * (4u + 2u)) /* bytes of both addresses with their ports */
#define PROXY_ADDRESSES_IPV6 (2u * (16u + 2u))
#define PROXY_ADDRESSES_UNIX (2u * 108u)

#define PROXY_IPV6_GROUPS 8u /* of 16 bits, in the text of an address */

/* As proxy_header_read, for version 1. */
enum proxy_header_result proxy_line_read(const uint8_t *bytes, uint32_t length, struct proxy_header *header);

#endif
