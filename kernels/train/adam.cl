/*
 * adam - one step of all parameters
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 *     m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2,  x = x (1 - decay) - rate m / (sqrt(v) + epsilon)
 *
 * D. Kingma, J. Ba, "Adam", ICLR 2015; I. Loshchilov, F. Hutter, "Decoupled Weight Decay Regularization", ICLR 2019.
 * `rate` and `epsilon` have the corrections for the first steps in them.
 *
 * Grid: (parameters).
 */
kernel void train_adam(global const float *restrict gradient, float rate, float b1, float b2, float epsilon, float decay,
                       global float *restrict m, global float *restrict v, global float *restrict x) {
    const ulong i = get_global_id(0);
    const float g = gradient[i];
    const float first = b1 * m[i] + (1.0f - b1) * g, second = b2 * v[i] + (1.0f - b2) * g * g;
    m[i] = first;
    v[i] = second;
    x[i] = x[i] * (1.0f - decay) - rate * first / (sqrt(second) + epsilon);
}
