/* Writes what clmp-train reads of a picture, "HEIGHT WIDTH\n" and red, green and blue.  SPDX-License-Identifier:
 * Apache-2.0 */
#include "image.h"

#include <stdlib.h>

int main(int argc, char **argv) {
    struct failure failure = {.code = 0};
    struct image image = {.rgb = NULL};
    if (argc == 2 && image_read(argv[1], &image, &failure)) {
        printf("%zu %zu\n", image.height, image.width);
        fwrite(image.rgb, 3 * image.width, image.height, stdout);
    } else if (argc == 2) {
        failure_print(&failure, "dump_picture", NULL, stderr);
    }
    const int code = argc == 2 ? failure.code : EXIT_OF_INPUT;
    failure_clear(&failure);
    free(image.rgb);
    return code;
}
