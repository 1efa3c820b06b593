/*
 * direct - a 3 x 3 convolution, its adjoint and its weights' gradient, without columns: sums stay in registers
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * For CPUs.  What is read lies in planes (planes.clh).
 *
 *   table   int32 (phases, 22).  A phase makes numbers (stride y + first row, stride x + first column) of the result
 *           from what lies at row y, number x of the planes and at its taps' offsets from there: the number of taps,
 *           first row, first column, 0, nine offsets, and nine places among the 3 x 3.  A convolution has one phase, of
 *           stride 1; its adjoint has one for each remainder of y and of x.
 *   tiles   float32 (phases, channels of the result / 8 rounded up, channels that are summed over, taps, 8): weights,
 *           in the order in which they are used; each phase has the room of nine taps.
 *
 * Each sum is taken in the order of channels, then taps (of a weight's gradient: of images, rows, sixteens of a row,
 * lanes), whatever the grid and the size of the batch.
 */
#include "planes.clh"

#ifdef __AVX512F__ /* 32 registers of sixteen numbers; else 16 of eight are assumed */
#define OUTPUTS 8
#define UNITS 2
#define GRADIENT_INPUTS 2
#define GRADIENT_OUTPUTS 4
#else
#define OUTPUTS 4
#define UNITS 1
#define GRADIENT_INPUTS 1
#define GRADIENT_OUTPUTS 2
#endif
#define TILE 8  /* outputs of a work-item */
#define BLOCK 2 /* sixteens of pixels of a work-item */
#define TAPS 9
#define TABLE (4 + 2 * TAPS)
#define ONE_ITEM kernel __attribute__((reqd_work_group_size(1, 1, 1))) void

/* Numbers of a batch into planes; grid: (images x channels). */
ONE_ITEM train_planes(global const float *restrict from, int height, int width, int border, int stride, ulong plane,
                      int pitch, global float *restrict planes) {
    const ulong channel = get_global_id(0);
    for (int y = 0; y < height; ++y)
        place_row(from + (channel * height + y) * width, width, border, stride, pitch,
                  row_of_planes(planes, plane, channel, y, border, stride, pitch));
}

/* Weights (rows, columns, 9) into the tiles of a result with `outputs` channels, which are the rows, or, of the
   adjoint, the columns.  Grid: (summed channels, outputs / 8 rounded up x phases). */
ONE_ITEM train_tiles(global const float *restrict weight, ulong weight_at, int outputs, int adjoint,
                     global const int *restrict table, global float *restrict tiles) {
    const int from = (int)get_global_id(0), channels = (int)get_global_size(0);
    const int tile_count = (outputs + TILE - 1) / TILE;
    const int tile = (int)get_global_id(1) % tile_count, phase = (int)get_global_id(1) / tile_count;
    table += phase * TABLE;
    const int taps = table[0];
    global float *restrict to = tiles + (ulong)phase * tile_count * TILE * channels * TAPS +
                                ((ulong)tile * channels + from) * taps * TILE;
    for (int i = 0; i < TILE; ++i) {
        const int output = tile * TILE + i;
        global const float *restrict of =
            weight + weight_at + (ulong)(adjoint ? from * outputs + output : output * channels + from) * TAPS;
        for (int tap = 0; tap < taps; ++tap)
            to[tap * TILE + i] = output < outputs ? of[table[4 + TAPS + tap]] : 0.0f;
    }
}

/* Sixteen sums, of which `count` are wanted, to every `step`th number; or on top of those. */
inline void keep(float16 sums, int count, int step, int add, global float *restrict to) {
    if (count >= 16 && step == 1) {
        vstore16(add ? vload16(0, to) + sums : sums, 0, to);
        return;
    }
    float lanes[16];
    vstore16(sums, 0, lanes);
    for (int i = 0; i < min(count, 16); ++i)
        to[i * step] = add ? to[i * step] + lanes[i] : lanes[i];
}

/* Grid: (units / 2 rounded up, images x outputs / 8 rounded up x phases), with units = sixteens of a phase's row times
   its rows. */
ONE_ITEM train_convolve(global const float *restrict planes, int channels, ulong plane, int row_pitch,
                        global const float *restrict tiles, global const int *restrict table, int phases, int outputs,
                        int stride, int height, int width, int add, global float *restrict result) {
    const int tile_count = (outputs + TILE - 1) / TILE, place = (int)get_global_id(1);
    const int phase = place % phases, tile = place / phases % tile_count, image = place / phases / tile_count;
    const int units_of_row = ((width + stride - 1) / stride + 15) / 16;
    const int units = units_of_row * ((height + stride - 1) / stride);
    table += phase * TABLE;
    const int taps = table[0], first_row = table[1], first_column = table[2];
    global const float *restrict weights =
        tiles + ((ulong)phase * tile_count * TAPS + (ulong)tile * taps) * channels * TILE;
    planes += (ulong)image * channels * plane;
    for (int part = 0; part < TILE / OUTPUTS * (BLOCK / UNITS); ++part) {
        const int first = part % (TILE / OUTPUTS) * OUTPUTS;
        const int unit = (int)get_global_id(0) * BLOCK + part / (TILE / OUTPUTS) * UNITS;
        int at[UNITS];
#pragma unroll
        for (int u = 0; u < UNITS; ++u) { /* what is too much is done again, and not kept */
            const int known = min(unit + u, units - 1);
            at[u] = known / units_of_row * row_pitch + known % units_of_row * 16;
        }
        float16 sums[OUTPUTS][UNITS];
#pragma unroll
        for (int o = 0; o < OUTPUTS; ++o)
#pragma unroll
            for (int u = 0; u < UNITS; ++u)
                sums[o][u] = (float16)0.0f;
        global const float *restrict weight = weights + first;
        for (int channel = 0; channel < channels; ++channel)
            for (int tap = 0; tap < taps; ++tap) {
                global const float *restrict from = planes + (ulong)channel * plane + table[4 + tap];
                float16 x[UNITS];
#pragma unroll
                for (int u = 0; u < UNITS; ++u)
                    x[u] = vload16(0, from + at[u]);
#pragma unroll
                for (int o = 0; o < OUTPUTS; ++o)
#pragma unroll
                    for (int u = 0; u < UNITS; ++u)
                        sums[o][u] += weight[o] * x[u];
                weight += TILE;
            }
#pragma unroll
        for (int u = 0; u < UNITS; ++u) {
            const int y = (unit + u) / units_of_row * stride + first_row;
            const int x = (unit + u) % units_of_row * 16 * stride + first_column;
            const int count = unit + u < units && y < height && x < width ? (width - x + stride - 1) / stride : 0;
            if (count == 0)
                continue;
#pragma unroll
            for (int o = 0; o < OUTPUTS; ++o)
                if (tile * TILE + first + o < outputs)
                    keep(sums[o][u], count, stride, add,
                         result + (((ulong)image * outputs + tile * TILE + first + o) * height + y) * width + x);
        }
    }
}

inline float add_up(float16 v) {
    const float8 a = v.lo + v.hi;
    const float4 b = a.lo + a.hi;
    return (b.x + b.y) + (b.z + b.w);
}

/* Of each of the parts that the images fall into: sums (outputs, inputs, 9) from sums_at on.  The `inner` planes are
   the outputs' gradient, of stride 1, which begins at number `inner_at` of each; `table` is the convolution's.
   Grid: (inputs / 2 rounded up, parts x outputs / 4 rounded up). */
ONE_ITEM train_weight_gradient(global const float *restrict planes, int inputs, ulong plane, int row_pitch,
                               global const float *restrict inner, int outputs, ulong inner_plane, int inner_pitch,
                               ulong inner_at, int rows, int units_of_row, int images, global const int *restrict table,
                               global float *restrict sums, ulong sums_at) {
    const int tiles = (outputs + 3) / 4, tile = (int)get_global_id(1) % tiles, part = (int)get_global_id(1) / tiles;
    for (int piece = 0; piece < 8 / (GRADIENT_INPUTS * GRADIENT_OUTPUTS); ++piece) {
        const int input = (int)get_global_id(0) * 2 + piece % (2 / GRADIENT_INPUTS) * GRADIENT_INPUTS;
        const int output = tile * 4 + piece / (2 / GRADIENT_INPUTS) * GRADIENT_OUTPUTS;
        if (input >= inputs || output >= outputs)
            continue;
        float16 kept[3][GRADIENT_OUTPUTS][GRADIENT_INPUTS][3];
        for (int image = part * images; image < (part + 1) * images; ++image) {
            global const float *restrict g[GRADIENT_OUTPUTS], *restrict x[GRADIENT_INPUTS];
#pragma unroll
            for (int o = 0; o < GRADIENT_OUTPUTS; ++o) /* what is too much is done again, and not kept */
                g[o] = inner + ((ulong)image * outputs + min(output + o, outputs - 1)) * inner_plane + inner_at;
#pragma unroll
            for (int i = 0; i < GRADIENT_INPUTS; ++i)
                x[i] = planes + ((ulong)image * inputs + min(input + i, inputs - 1)) * plane;
            for (int y = 0; y < 3; ++y) { /* so that the gradient's planes stay near for all nine taps */
                const int taps[3] = {table[4 + 3 * y], table[5 + 3 * y], table[6 + 3 * y]};
                float16 own[GRADIENT_OUTPUTS][GRADIENT_INPUTS][3];
#pragma unroll
                for (int o = 0; o < GRADIENT_OUTPUTS; ++o)
#pragma unroll
                    for (int i = 0; i < GRADIENT_INPUTS; ++i)
#pragma unroll
                        for (int tap = 0; tap < 3; ++tap)
                            own[o][i][tap] = image == part * images ? (float16)0.0f : kept[y][o][i][tap];
                for (int row = 0; row < rows; ++row)
                    for (int unit = 0; unit < units_of_row; ++unit) {
                        const int at = row * row_pitch + unit * 16, inner_place = row * inner_pitch + unit * 16;
                        float16 near[GRADIENT_INPUTS][3];
#pragma unroll
                        for (int i = 0; i < GRADIENT_INPUTS; ++i)
#pragma unroll
                            for (int tap = 0; tap < 3; ++tap)
                                near[i][tap] = vload16(0, x[i] + at + taps[tap]);
#pragma unroll
                        for (int o = 0; o < GRADIENT_OUTPUTS; ++o) {
                            const float16 of = vload16(0, g[o] + inner_place);
#pragma unroll
                            for (int i = 0; i < GRADIENT_INPUTS; ++i)
#pragma unroll
                                for (int tap = 0; tap < 3; ++tap)
                                    own[o][i][tap] += of * near[i][tap];
                        }
                    }
#pragma unroll
                for (int o = 0; o < GRADIENT_OUTPUTS; ++o)
#pragma unroll
                    for (int i = 0; i < GRADIENT_INPUTS; ++i)
#pragma unroll
                        for (int tap = 0; tap < 3; ++tap)
                            kept[y][o][i][tap] = own[o][i][tap];
            }
        }
        global float *restrict to = sums + sums_at + (ulong)part * outputs * inputs * TAPS;
        for (int o = 0; o < min(GRADIENT_OUTPUTS, outputs - output); ++o)
            for (int i = 0; i < min(GRADIENT_INPUTS, inputs - input); ++i)
                for (int tap = 0; tap < TAPS; ++tap)
                    to[((ulong)(output + o) * inputs + input + i) * TAPS + tap] = add_up(kept[tap / 3][o][i][tap % 3]);
    }
}
