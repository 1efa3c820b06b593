/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

static const char help_of_clmp[] =
    "usage: clmp COMMAND [options]\n"
    "\n"
    "Loss max-pooling for semantic segmentation: the mean of the pixels' losses is replaced by the largest\n"
    "weighted mean that a p-norm bound allows, so that rare and hard pixels count.\n"
    "\n"
    "commands:\n"
    "  devices   list the OpenCL devices\n"
    "  loss      pooled loss, weights and gradient from logits and labels\n"
    "  weights   pooled loss and weights from losses that you have\n"
    "\n"
    "  clmp COMMAND --help   explains a command and shows examples\n"
    "  clmp --version        prints the version\n"
    "\n"
    "environment:\n"
    "  CLMP_CACHE_DIR        folder of compiled programs (default ~/.cache/libclmp; empty: none)\n"
    "  CLMP_TUNING           name=number,... of clmp_tuning in clmp/clmp.h; changes speed, never results\n"
    "\n"
    "Files are NumPy .npy (C order, little endian).  Results are the same on every device, bit for bit.\n"
    "exit status: 0 done; 2 bad use or bad input, 1 a device failed: with one line on standard error.\n";

static const char help_of_devices[] =
    "usage: clmp devices [--device SUBSTRING] [--json]\n"
    "\n"
    "Lists the OpenCL devices of all platforms, and whether the library runs on them.\n"
    "\n"
    "  --device SUBSTRING   only those whose name or platform contains it, upper and lower case alike\n"
    "  --json               one JSON object and nothing else\n"
    "  -h, --help           this text\n"
    "  --version            the version\n"
    "\n"
    "example:\n"
    "  clmp devices\n"
    "\n"
    "The names are what --device of the other commands looks for.  Without --device these take the first GPU,\n"
    "else the first device.\n";

static const char help_of_weights[] =
    "usage: clmp weights LOSSES.npy [options]\n"
    "\n"
    "Pools losses that you have already: finds the weights and the pooled loss L = sum of weight x loss.\n"
    "\n"
    "  LOSSES.npy           float32 of any shape, each >= 0.  NaN and infinity are left out and counted\n"
    "\n"
    "  --p P                norm of the bound on the weights, 1 to inf (default 1.7).  1: all weight to the\n"
    "                       hardest pixels; inf: the plain mean\n"
    "  --support S          least share of the pixels that carry the weight, in (0, 1] (default 0.25)\n"
    "  --solver search|sort how the threshold is found; both give the same bits (default search)\n"
    "  -o WEIGHTS.npy       writes the weights: float32 of the losses' shape, 0 where a loss is not finite\n"
    "  --device SUBSTRING   runs on a device whose name or platform contains it (see clmp devices)\n"
    "  --json               prints one JSON object and nothing else\n"
    "  -h, --help           this text\n"
    "  --version            the version\n"
    "\n"
    "examples:\n"
    "  clmp weights losses.npy\n"
    "  clmp weights losses.npy --p 1.3 --support 0.1 -o weights.npy\n"
    "  clmp weights losses.npy --p 1 --json      # the hardest quarter\n"
    "\n"
    "results: loss L; alpha, the loss from which on weight is full; tau, the full weight; support, the pixels\n"
    "that have it; valid, the pixels that take part.\n";

static const char help_of_loss[] =
    "usage: clmp loss LOGITS.npy LABELS [options]\n"
    "\n"
    "Softmax cross-entropy of each pixel, its max-pooled loss, and on request losses, weights and gradient.\n"
    "\n"
    "  LOGITS.npy           float32 or float16, (C,h,w) or (N,C,h,w): C classes, N images.  Where h x w is less than\n"
    "                       the labels' H x W, they are interpolated bilinearly, without being stored\n"
    "  LABELS               the class of each pixel: .npy of uint8, uint16, int32 or int64, (H,W) or (N,H,W); or,\n"
    "                       for one image, a grey or palette PNG of at most 8 bits, whose stored values\n"
    "                       (palette indices, unscaled grey levels) are the labels\n"
    "\n"
    "  --p P                norm of the bound on the weights, 1 to inf (default 1.7).  1: all weight to the\n"
    "                       hardest pixels; inf: the plain mean\n"
    "  --support S          least share of the pixels that carry the weight, in (0, 1] (default 0.25)\n"
    "  --scope batch|image  pools all pixels together (default), or each image alone and takes the mean\n"
    "  --ignore-index K     pixels with this label are left out (default 255)\n"
    "  --class-weights W.npy  float32 or float64, C values >= 0: multiply the losses of their classes\n"
    "  --solver search|sort how the threshold is found; both give the same bits (default search)\n"
    "  --align-corners      interpolates so that the corners' logits are those of the corners' pixels (default:\n"
    "                       as PyTorch's interpolate without it)\n"
    "\n"
    "  --losses OUT.npy     writes the losses, float32 (N,H,W), 0 where a pixel is not valid\n"
    "  --weights OUT.npy    writes the weights, likewise\n"
    "  --gradient OUT.npy   writes the gradient of L with respect to the logits, float32 of their shape\n"
    "  --heatmap OUT.png    paints weight / tau, black 0 to light yellow 1, grey where a pixel is not valid;\n"
    "                       images below each other\n"
    "\n"
    "  --device SUBSTRING   runs on a device whose name or platform contains it (see clmp devices)\n"
    "  --json               prints one JSON object and nothing else\n"
    "  -h, --help           this text\n"
    "  --version            the version\n"
    "\n"
    "examples:\n"
    "  clmp loss logits.npy labels.png\n"
    "  clmp loss logits.npy labels.npy --p 1.3 --support 0.1 --heatmap where.png\n"
    "  clmp loss quarter.npy labels.png --align-corners --gradient quarter-gradient.npy\n"
    "  clmp loss batch.npy labels.npy --scope image --ignore-index -1 --gradient gradient.npy --json\n"
    "\n"
    "results: loss L; alpha, the loss from which on weight is full; tau, the full weight; support, the pixels\n"
    "that have it; valid, ignored, invalid labels and nonfinite: what became of the pixels.\n";

const char *help_text(enum command command) {
    switch (command) {
    case COMMAND_DEVICES:
        return help_of_devices;
    case COMMAND_WEIGHTS:
        return help_of_weights;
    case COMMAND_LOSS:
        return help_of_loss;
    case COMMANDS:
        break;
    }
    return help_of_clmp;
}
