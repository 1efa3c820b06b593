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
    "  --rate R               the largest learning rate of the schedule (0.004)\n"                                     \
    "  --schedule NAME        cycle: up from a 25th of the rate in three tenths of the steps, then down by a "         \
    "cosine;\n"                                                                                                        \
    "                         poly: (1 - step / steps)^0.9 of it; or cosine: down from it by half a cosine (cycle)\n"  \
    "  --weight-decay D       each step multiplies the parameters by 1 - rate D, besides Adam's step (0.0001)\n"       \
    "  --crop WIDTHxHEIGHT    size of the random cut from each image; smaller images are padded (the first image's\n"  \
    "                         size)\n"                                                                                 \
    "  --scale LOW,HIGH       before the cut, each image's size is multiplied by a random number between (1,1); "      \
    "0.5,2\n"                                                                                                          \
    "                         is what segmentation toolboxes use\n"                                                    \
    "  --colour C             changes colours at random: brightness, contrast and saturation by a factor from 1 - C "  \
    "to\n"                                                                                                             \
    "                         1 + C, and hue by up to 36 C degrees (0)\n"                                              \
    "  --no-flip              does not mirror every other image, for classes that tell left from right\n"              \
    "  --wrong-labels SHARE   gives so many training labels another class at random, the same in every run, to see\n"  \
    "                         what a weighting makes of wrong labels (0)\n"                                            \
    "  --validate N           evaluates after every N steps, too, for log.csv (at the end only)\n"                     \
    "  --classes FILE         one class on each line, 'NAME RED GREEN BLUE', and 'ignore LABEL' for each label that\n" \
    "                         is no class (DATA/classes.txt)\n"                                                        \
    "  --label-map TABLE      translates the labels of the data: a file with lines 'OLD NEW', or ade20k,\n"            \
    "                         cityscapes, voc or mask (see clmp loss --help)\n"                                        \
    "  --show NAME            file name of the validation image whose segmentation is saved as it evolves (the one\n"  \
    "                         with the most pixels of rare classes)\n"                                                 \
    "  --device DEVICE        '#N', its number in clmp devices; part of its name or of its platform's; or both,\n"     \
    "                         'PLATFORM:NAME' (the first GPU, else the first device)\n"                                \
    "  --note TEXT            a line that is kept with the results, such as the commit of the program\n"               \
    "  -h, --help             this text\n"                                                                             \
    "  --version              the version\n"

static const char help_of_run[] =
    "usage: clmp-train run DATA -o FOLDER [options]\n"
    "\n"
    "Trains with one weighting, evaluates on the validation split, and prints IoU and accuracy of each class.\n"
    "\n" HELP_DATA
    "  -o, --output FOLDER    gets result.json, log.csv, network.ckpt and step-*.png; an interrupted run continues\n"
    "                         from there; lock: no other process trains in this folder\n"
    "  --weighting SPEC       the weighting, see below (lmp)\n"
    "  --seed N               seed of initial weights, order, flips, cuts, sizes and colours (1)\n"
    "  --mpi                  under mpirun: the processes share the images of each step, at most one process for each\n"
    "                         image; the result is the same for any number of them on devices of one "
    "kind\n";

static const char example_of_run[] =
    "\n"
    "example:\n"
    "  clmp-train run CamVid --classes bench/quality/camvid.txt -o run --weighting lmp:p=1.7:support=0.25\n";

static const char help_of_compare[] =
    "usage: clmp-train compare DATA -o FOLDER [options]\n"
    "\n"
    "Trains with each weighting and each seed, and compares with the first weighting.  Complete runs are not "
    "repeated,\n"
    "and an interrupted run continues.  Several processes with the same command, but for --device, share the runs; on\n"
    "PoCL each needs a POCL_CACHE_DIR of its own.\n"
    "\n" HELP_DATA
    "  -o, --output FOLDER    gets a folder for each run, WEIGHTING/seed-N, and the comparison: table.txt and\n"
    "                         table.csv, comparison.json, plot.png, curves.png (over the steps) and evolution.png\n"
    "  --weightings A,B,...   the weightings, see below (uniform,lmp,lmp+median-sqrt)\n"
    "  --seeds N              seeds 1 to N (3)\n"
    "  --choose-on FRACTION   chooses settings on so much of the training split, see below\n"
    "  --choose-seeds N       seeds 1 to N for that (as many as --seeds)\n";

static const char choice_of_compare[] =
    "\n"
    "With --choose-on, every weighting is trained first without a part of the training split, and judged on this "
    "part:\n"
    "FOLDER/choice has these runs and their table.  The first weighting is what the others are compared with; of "
    "those,\n"
    "weightings that have the same WEIGHTING, loss and CLASS_WEIGHTS are a family.  Then the first weighting and the\n"
    "best of each family are trained on the whole training split and reported on the validation split, with paired\n"
    "differences over the seeds and their intervals of 95 % by Student's t.  Nothing is computed of the validation\n"
    "images before that, and a folder that reports one choice refuses another.\n"
    "\n"
    "What is held out are whole sequences, so that no neighbours in a video are on both sides.  CamVid: a sequence is\n"
    "what stands before the last number of a file's name (0006R0_f of 0006R0_f00930.png); Cityscapes: a city; Pascal\n"
    "VOC: each image.  Those are taken that together have most nearly FRACTION of the images, always the same.  Where\n"
    "all images are one sequence, its end is held out, and a twentieth of all images before it is left out.\n"
    "\n"
    "example:\n"
    "  clmp-train compare CamVid --classes bench/quality/camvid.txt -o results --weightings uniform,lmp:p=1.3 --seeds "
    "5\n"
    "  clmp-train compare CamVid --classes bench/quality/camvid.txt -o chosen --choose-on 0.25 \\\n"
    "      --weightings uniform,lmp:support=0.5,lmp:support=0.25\n";

static const char help_of_options[] = HELP_OPTIONS "\n" HELP_SPEC;

void train_help(enum train_command command, FILE *to) {
    const char *const texts[] = {
        command == TRAIN_RUN       ? help_of_run
        : command == TRAIN_COMPARE ? help_of_compare
                                   : help_of_all,
        command < TRAIN_COMMANDS ? help_of_options : "",
        command == TRAIN_RUN       ? example_of_run
        : command == TRAIN_COMPARE ? choice_of_compare
                                   : "",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; ++i)
        fputs(texts[i], to);
}
