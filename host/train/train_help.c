/* SPDX-License-Identifier: Apache-2.0 */
#include "train_help.h"

static const char help_of_all[] =
    "usage: clmp-train COMMAND DATA [options]\n"
    "\n"
    "Trains a small segmentation network on OpenCL, with the weightings of libclmp: the plain mean, loss\n"
    "max-pooling, hard examples, class-balanced sampling, class weights.\n"
    "\n"
    "commands:\n"
    "  run       one weighting, one seed\n"
    "  compare   several weightings, several seeds; a table, a plot, and how a segmentation evolves\n"
    "\n"
    "  clmp-train COMMAND --help   explains a command and shows examples\n"
    "  clmp-train --version        prints the version\n"
    "\n"
    "exit status: 0 done; 2 bad use or bad input; 1 a device failed; 130 interrupted: finished work is saved, and\n"
    "the same command continues.  Errors are one line on standard error.\n";

#define HELP_DATA                                                                                                      \
    "  DATA                   a folder laid out as CamVid (train, trainannot, val, valannot), Cityscapes\n"            \
    "                         (leftImg8bit, gtFine) or Pascal VOC 2012 (JPEGImages, SegmentationClass, ImageSets)\n"

#define HELP_SPEC                                                                                                      \
    "A weighting is WEIGHTING[:KEY=VALUE]...[+CLASS_WEIGHTS]:\n"                                                       \
    "  WEIGHTING              uniform, lmp, topk, ohem or balanced\n"                                                  \
    "  KEY                    p, support, scope, count, thresh, min-kept, sampling, loss, gamma, label-smoothing\n"    \
    "  CLASS_WEIGHTS          inverse, inverse-sqrt, median, median-sqrt, enet or effective, of the training labels\n"

#define HELP_OPTIONS                                                                                                   \
    "  --steps N              steps of a run (700)\n"                                                                  \
    "  --batch N              images of a step (4)\n"                                                                  \
    "  --rate R               the largest learning rate of the one-cycle schedule (0.004)\n"                           \
    "  --crop WIDTHxHEIGHT    size of the random cut from each image; smaller images are padded (the first image's\n"  \
    "                         size)\n"                                                                                 \
    "  --classes FILE         one class on each line, 'NAME RED GREEN BLUE', and 'ignore LABEL' for each label that\n" \
    "                         is no class (DATA/classes.txt)\n"                                                        \
    "  --label-map TABLE      translates the labels of the data: a file with lines 'OLD NEW', or ade20k,\n"            \
    "                         cityscapes, voc or mask (see clmp loss --help)\n"                                        \
    "  --show NAME            file name of the validation image whose segmentation is saved as it evolves (the one\n"  \
    "                         with the most pixels of rare classes)\n"                                                 \
    "  --device DEVICE        '#N', its number in clmp devices; part of its name or of its platform's; or both,\n"     \
    "                         'PLATFORM:NAME' (the first GPU, else the first device)\n"                                \
    "  -h, --help             this text\n"                                                                             \
    "  --version              the version\n"

static const char help_of_run[] =
    "usage: clmp-train run DATA -o FOLDER [options]\n"
    "\n"
    "Trains with one weighting, evaluates on the validation split, and prints IoU and accuracy of each class.\n"
    "\n" HELP_DATA
    "  -o, --output FOLDER    gets result.json, log.csv, network.ckpt and step-*.png; an interrupted run continues\n"
    "                         from there\n"
    "  --weighting SPEC       the weighting, see below (lmp)\n"
    "  --seed N               seed of initial weights, order, flips and cuts (1)\n"
    "  --mpi                  under mpirun: the processes share the images of each step, at most one process for each\n"
    "                         image; the result is the same for any number of them on devices of one "
    "kind\n" HELP_OPTIONS "\n" HELP_SPEC "\n"
    "example:\n"
    "  clmp-train run CamVid --classes bench/quality/camvid.txt -o run --weighting lmp:p=1.7:support=0.25\n";

static const char help_of_compare[] =
    "usage: clmp-train compare DATA -o FOLDER [options]\n"
    "\n"
    "Trains with each weighting and each seed, and compares with the first weighting: table.txt, table.csv, plot.png,\n"
    "evolution.png.  Complete runs are not repeated, and an interrupted run continues.\n"
    "\n" HELP_DATA "  -o, --output FOLDER    gets a folder for each run, WEIGHTING/seed-N, and the comparison\n"
    "  --weightings A,B,...   the weightings, see below (uniform,lmp,lmp+median-sqrt)\n"
    "  --seeds N              seeds 1 to N (3)\n" HELP_OPTIONS "\n" HELP_SPEC "\n"
    "example:\n"
    "  clmp-train compare CamVid --classes bench/quality/camvid.txt -o results --weightings uniform,lmp:p=1.3 --seeds "
    "5\n";

const char *train_help(enum train_command command) {
    return command == TRAIN_RUN ? help_of_run : command == TRAIN_COMPARE ? help_of_compare : help_of_all;
}
