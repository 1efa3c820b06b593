/* SPDX-License-Identifier: Apache-2.0 */
#include "origin.h"

#include "text.h"

#include <stdlib.h>
#include <string.h>

/* Appends a word as a shell reads it, in quotes where that takes some; `to` has room. */
static char *put_word(char *to, const char *word) {
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789%+,-./:=@_";
    const bool quoted = word[0] == '\0' || word[strspn(word, plain)] != '\0';
    if (quoted)
        *to++ = '\'';
    for (; *word != '\0'; ++word)
        if (*word == '\'')
            to += sprintf(to, "'\\''");
        else
            *to++ = *word;
    if (quoted)
        *to++ = '\'';
    return to;
}

/* JSON takes nothing but UTF-8, and names of files may be of any bytes. */
static void make_utf8(char *text) {
    if (text_is_utf8(text))
        return;
    for (; *text != '\0'; ++text)
        if (((unsigned char)*text & 0x80) != 0)
            *text = '?';
}

bool origin_make(int argc, char **argv, struct origin *origin, struct failure *failure) {
    size_t room = sizeof "clmp-train";
    *origin = (struct origin){.note = NULL};
    for (int i = 1; i < argc; ++i)
        room += 4 * strlen(argv[i]) + 3;
    char *to = origin->command = malloc(room);
    if (to == NULL)
        return fail_memory(failure, "the command's words");
    to += sprintf(to, "clmp-train");
    for (int i = 1; i < argc; ++i) {
        *to++ = ' ';
        to = put_word(to, argv[i]);
    }
    *to = '\0';
    make_utf8(origin->command);
    return true;
}

void origin_free(struct origin *origin) {
    free(origin->command);
    origin->command = NULL;
}

json_t *origin_json(const struct origin *origin) {
    char program[64];
    snprintf(program, sizeof program, "clmp-train %s", clmp_version());
    return json_pack("{s:s, s:s, s:s, s:s?}", "program", program, "command", origin->command, "machine",
                     origin->machine, "note", origin->note);
}

/* A text of the device; "?" where it does not say. */
static void ask(cl_device_id device, cl_device_info info, char text[128]) {
    size_t size = 0;
    char all[1024] = "";
    if (clGetDeviceInfo(device, info, sizeof all, all, &size) != CL_SUCCESS || all[0] == '\0')
        strcpy(all, "?");
    snprintf(text, 128, "%.127s", all);
}

void origin_name_machine(struct origin *origin, const struct session *session) {
    const cl_device_id device = clmp_context_device(session->context);
    char version[128], driver[128];
    cl_uint units = 0;
    ask(device, CL_DEVICE_VERSION, version);
    ask(device, CL_DRIVER_VERSION, driver);
    clGetDeviceInfo(device, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units, NULL);
    snprintf(origin->machine, sizeof origin->machine, "%s, %u compute units, %s, driver %s", session->device, units,
             version, driver);
    make_utf8(origin->machine);
}
