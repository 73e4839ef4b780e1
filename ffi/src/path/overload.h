/* SPDX-License-Identifier: MIT
 *
 * Who is refused first when something that all tenants share runs short. A tenant may have as many sessions as its fair
 * share, and beyond that as long as they are fewer than OVERLOAD_FACTOR times what is still free: the less there is,
 * the fewer; so those furthest over their share are refused first, and something is left for the others. These are the
 * dynamic thresholds of Choudhury and Hahne (IEEE/ACM Transactions on Networking 6, 1998), made for the buffers of
 * switches. Pure. Called by path/admit on the workers' threads.
 */
#ifndef SLUICE_PATH_OVERLOAD_H
#define SLUICE_PATH_OVERLOAD_H

#include <stdbool.h>
#include <stdint.h>

#define OVERLOAD_FACTOR 8u

/* Whether a tenant with `mine` sessions may have no more of `total`, of which `free` are left, among `tenants`. */
static inline bool overload_refuses(uint64_t mine, uint64_t total, uint64_t free, uint32_t tenants)
{
    uint64_t share = total / (tenants == 0 ? 1 : tenants);
    return mine >= (share == 0 ? 1 : share) && mine >= OVERLOAD_FACTOR * free;
}

#endif
