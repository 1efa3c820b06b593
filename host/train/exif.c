/* SPDX-License-Identifier: Apache-2.0 */
#include "exif.h"

#include <stdlib.h>
#include <string.h>

enum { UPRIGHT = 1, MOST = 8, ORIENTATION = 274, SHORT = 3, ENTRY = 12 };

/* A number of some bytes, in the order of the file. */
static uint32_t number_at(const uint8_t *at, int bytes, bool big) {
    uint32_t number = 0;
    for (int i = 0; i < bytes; ++i)
        number = number << 8 | at[big ? i : bytes - 1 - i];
    return number;
}

int exif_orientation(const uint8_t *bytes, size_t size) {
    static const char prefix[6] = "Exif\0";
    if (size >= sizeof prefix && memcmp(bytes, prefix, sizeof prefix) == 0) {
        bytes += sizeof prefix;
        size -= sizeof prefix;
    }
    if (size < 8 || (memcmp(bytes, "II*\0", 4) != 0 && memcmp(bytes, "MM\0*", 4) != 0))
        return UPRIGHT;
    const bool big = bytes[0] == 'M';
    const size_t directory = number_at(bytes + 4, 4, big);
    if (directory > size - 2)
        return UPRIGHT;
    const size_t room = (size - directory - 2) / ENTRY, said = number_at(bytes + directory, 2, big);
    for (size_t i = 0; i < said && i < room; ++i) {
        const uint8_t *entry = bytes + directory + 2 + i * ENTRY;
        if (number_at(entry, 2, big) != ORIENTATION)
            continue;
        const uint32_t value = number_at(entry + 8, 2, big);
        const bool good = number_at(entry + 2, 2, big) == SHORT && value >= UPRIGHT && value <= MOST;
        return good ? (int)value : UPRIGHT;
    }
    return UPRIGHT;
}

bool exif_turn(int orientation, uint8_t **rgb, size_t *height, size_t *width, const char *path,
               struct failure *failure) {
    /* of each orientation: whether rows become columns, and what then is mirrored */
    static const struct {
        bool across, left_right, top_bottom;
    } turns[MOST + 1] = {
        [2] = {false, true, false}, [3] = {false, true, true}, [4] = {false, false, true}, [5] = {true, false, false},
        [6] = {true, true, false},  [7] = {true, true, true},  [8] = {true, false, true}};
    if (orientation <= UPRIGHT || orientation > MOST)
        return true;
    const bool across = turns[orientation].across;
    const size_t rows = across ? *width : *height, columns = across ? *height : *width;
    uint8_t *turned = malloc(3 * rows * columns);
    if (turned == NULL)
        return fail_memory(failure, path);
    for (size_t y = 0; y < rows; ++y)
        for (size_t x = 0; x < columns; ++x) {
            const size_t row = turns[orientation].top_bottom ? rows - 1 - y : y;
            const size_t column = turns[orientation].left_right ? columns - 1 - x : x;
            memcpy(turned + 3 * (y * columns + x), *rgb + 3 * (across ? column * *width + row : row * *width + column),
                   3);
        }
    free(*rgb);
    *rgb = turned;
    *height = rows;
    *width = columns;
    return true;
}
