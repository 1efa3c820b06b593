/*
 * Labels of pixels, as data sets have them and in the form that the library takes.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * A .npy file of whole numbers, (H,W) or (N,H,W) or (N,1,H,W), or a PNG file: grey levels or palette indices as they
 * are stored, of up to 16 bits, or by a table (label_map.h) the colours of an RGB mask.
 */
#ifndef CLMP_CLI_LABELS_H
#define CLMP_CLI_LABELS_H

#include "label_map.h"
#include "tensors.h"

/* What is done to the labels of a file before anything else sees them. */
enum { LABELS_IGNORED = 64 };
struct label_rules {
    struct label_map map;
    int64_t ignore_index;            /* what ignored labels become */
    int64_t ignored[LABELS_IGNORED]; /* and more labels that are ignored, after the table */
    size_t ignored_count;
};

/* With the table of this name, or NULL; ignore_index is the first of `ignored`.  label_rules_free() after a failure,
 * too. */
bool label_rules_read(const char *map, const int64_t *ignored, size_t ignored_count, struct label_rules *rules,
                      struct failure *failure);
void label_rules_free(struct label_rules *rules);

/* Which labels a file, or many, have: to be joined by |. */
enum { LABELS_SEEN_0 = 1, LABELS_SEEN_255 = 2, LABELS_SEEN_OTHERS = 4 };

struct labels {
    void *values;                   /* (planes, H, W), owned */
    uint64_t planes, height, width; /* images, or with binary losses images times classes */
    clmp_label_type type;
    size_t element; /* bytes */
    unsigned seen;  /* LABELS_SEEN_... */
    /* the first that the table does not name, and is no class; where none is, as most often, it is of no pixel */
    uint64_t unnamed_pixel; /* labels_pixels(): none */
    int64_t unnamed;        /* a label, or where it is in colours 65536 R + 256 G + B */
    bool in_colours;
    int64_t colours; /* of the palette whose indices they are, which are classes no further; else 0 */
};

/*
 * Reads a .npy or PNG file, told by its first bytes.  It must have as many images as `logits`, none smaller than these,
 * and, for a binary loss, a label map for each class; NULL: any.
 */
bool labels_read(const char *path, const struct label_rules *rules, const struct logits *logits, bool binary,
                 struct labels *labels, struct failure *failure);

uint64_t labels_pixels(const struct labels *labels);

/* The label of a pixel, of any type. */
int64_t labels_get(const struct labels *labels, uint64_t pixel);

/* Says on standard error, where all labels that were seen are 0 or 255, what becomes of the latter. */
void labels_note(const struct label_rules *rules, unsigned seen, const char *program, const char *command);

#endif /* CLMP_CLI_LABELS_H */
