/*
 * Loss max-pooling's weights from sorted losses, by one serial loop in float32.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * A peer for peers.py, not part of the library.  It is how public implementations proceed once the device has sorted:
 * one core walks over the losses with running sums in float32, which loses the small ones and overflows or vanishes
 * where q is large.  Written from the paper's equations (S. Rota Bulo, G. Neuhold, P. Kontschieder, CVPR 2017):
 *
 *     eta(v) = #{l > v} + sum_{l <= v} (l / v)^q,    alpha = (sum_{l <= v} l^q / (m - #{l > v}))^(1/q)
 *
 * with v the largest loss at which eta(v) >= m.
 */
#include <math.h>
#include <stddef.h>
#include <stdint.h>

void peer_serial_weights(const float *sorted, const int64_t *order, int64_t count, float p, float support,
                         float *weights);

/*
 * sorted: `count` losses, the largest first.  order: where each stands among the weights.
 */
__attribute__((visibility("default"))) void peer_serial_weights(const float *sorted, const int64_t *order,
                                                                int64_t count, float p, float support, float *weights) {
    const float q = p / (p - 1.0f), n = (float)count;
    const float m = fmaxf(1.0f, support * n);
    const float tau = powf(n / m, 1.0f / p) / n;
    float sum = 0.0f, best = 0.0f, left = 1.0f;
    for (int64_t i = count - 1; i >= 0; --i) { /* from the smallest: i losses are above this one */
        if (!(sorted[i] > 0.0f))
            continue;
        const float power = powf(sorted[i], q);
        sum += power;
        if ((float)i + sum / power < m)
            break;
        best = sum;
        left = m - (float)i;
    }
    const float alpha = powf(best / left, 1.0f / q);
    for (int64_t i = 0; i < count; ++i)
        weights[order[i]] = sorted[i] > alpha ? tau : sorted[i] > 0.0f ? tau * powf(sorted[i] / alpha, q - 1.0f) : 0.0f;
}
