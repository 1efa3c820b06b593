/* What the library asks of a device.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_DEVICE_H
#define CLMP_DEVICE_H

#include "clmp/clmp.h"

struct clmp_device_facts {
    cl_device_type type;
    cl_uint compute_units;
    size_t max_group;            /* work-items */
    cl_ulong local_memory;       /* bytes */
    char name[128], vendor[128]; /* cut, where they are longer */
    bool no_memory;              /* to ask all of it */
};

/* A text of a device or platform, however long it is: to be freed; NULL where there is none, or no memory. */
char *clmp_device_text(cl_device_id device, cl_device_info what);
char *clmp_platform_text(cl_platform_id platform, cl_platform_info what);

/* Fills `facts`; NULL where the library runs on the device, else what it lacks, a string that stays. */
const char *clmp_device_lacks(cl_device_id device, struct clmp_device_facts *facts);

/* Calls `visit` for every device of every platform until it returns false.  Devices are those of platforms that have
 * any; false if memory ran out. */
bool clmp_each_device(bool (*visit)(void *user, cl_platform_id platform, cl_device_id device), void *user);

#endif
