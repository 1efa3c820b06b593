/*
 * The demo's table: who gets how much of the loss, before and after.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "demo_table.h"

#include "demo_say.h"

#include <stdio.h>
#include <stdlib.h>

enum { LARGEST = 6, SMALLEST = 8 };

typedef struct entry {
    char name[DEMO_NAME_SIZE];
    demo_share share;
} entry;

void demo_shares(const demo_outcome *outcome, demo_share *shares) {
    for (size_t c = 0; c < outcome->scan->classes; c++)
        shares[c] = (demo_share){0};
    for (size_t i = 0; i < outcome->pixels; i++) {
        demo_share *share = &shares[outcome->labels[i]];
        share->pixels++;
        share->right += outcome->predictions[i] == outcome->labels[i];
        share->loss += (double)outcome->pooled.losses[i];
        share->weight += (double)outcome->pooled.weights[i];
    }
}

double demo_plain_mean(const demo_outcome *outcome) {
    double sum = 0;
    for (size_t i = 0; i < outcome->pixels; i++)
        sum += (double)outcome->pooled.losses[i];
    return sum / (double)outcome->pooled.result.valid;
}

static void add(demo_share *to, const demo_share *share) {
    to->pixels += share->pixels;
    to->right += share->right;
    to->loss += share->loss;
    to->weight += share->weight;
}

static void print_row(const char *name, const demo_share *share, const demo_share *all) {
    if (share->pixels == 0)
        return;
    const double pixels = (double)share->pixels / (double)all->pixels;
    const double weight = share->weight / all->weight;
    printf("%-24s %8zu %5.1f %% %10.3f %14.3f %17.3f %7.2f\n", name, share->pixels,
           100 * (double)share->right / (double)share->pixels, 100 * pixels, 100 * share->loss / all->loss,
           100 * weight, weight / pixels);
}

static int larger_first(const void *a, const void *b) {
    const size_t left = ((const entry *)a)->share.pixels, right = ((const entry *)b)->share.pixels;
    return (left < right) - (left > right);
}

bool demo_table_print(const demo_outcome *outcome) {
    const size_t classes = outcome->scan->classes;
    demo_share *shares = calloc(classes, sizeof *shares);
    entry *entries = calloc(classes, sizeof *entries);
    if (!shares || !entries) {
        free(entries);
        free(shares);
        return demo_fail("out of memory");
    }
    demo_shares(outcome, shares);
    demo_share all = {0}, others = {0};
    size_t seen = 0; /* classes with a pixel on the test slices */
    for (size_t c = 0; c < classes; c++) {
        add(&all, &shares[c]);
        if (shares[c].pixels == 0)
            continue;
        snprintf(entries[seen].name, DEMO_NAME_SIZE, "%s", outcome->scan->names[c]);
        entries[seen++].share = shares[c];
    }
    qsort(entries, seen, sizeof *entries, larger_first);

    printf(
        "Shares of all pixels of %zu test slices, in percent.  Under a plain mean, a class has the weight of its share "
        "of\npixels; gain is what pooling makes of it: its share of the pooled weight over its share of pixels.\n\n",
        outcome->images);
    printf("%-24s %8s %7s %10s %14s %17s %7s\n", "class", "pixels", "right", "of pixels", "of plain loss",
           "of pooled weight", "gain");
    for (size_t i = 0; i < seen; i++) {
        if (i < LARGEST || i + SMALLEST >= seen) {
            if (i >= LARGEST && i + SMALLEST == seen) {
                char name[48];
                snprintf(name, sizeof name, "(%zu classes between)", i - LARGEST);
                print_row(name, &others, &all);
            }
            print_row(entries[i].name, &entries[i].share, &all);
        } else {
            add(&others, &entries[i].share);
        }
    }
    char name[48];
    snprintf(name, sizeof name, "all %zu classes", seen);
    print_row(name, &all, &all);
    free(entries);
    free(shares);
    return true;
}
