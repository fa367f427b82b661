/* Planets: square roots and divisions in a dependent chain. */
#include "kernel.h"

enum { BODIES = 5, STEPS = 1500000 };
static double p[BODIES][3], v[BODIES][3], m[BODIES];

static double square_root(double value)
{
    return __builtin_sqrt(value);
}

double run(void)
{
    uint64_t state = 11;
    for (int i = 0; i < BODIES; i++) {
        m[i] = i == 0 ? 40 : 0.01 * i;
        for (int d = 0; d < 3; d++) {
            p[i][d] = i * 5.0 + (double)(next_random(&state) % 100) / 50;
            v[i][d] = (double)(next_random(&state) % 100) / 100;
        }
    }
    for (int step = 0; step < STEPS; step++) {
        for (int i = 0; i < BODIES; i++) {
            for (int j = i + 1; j < BODIES; j++) {
                double dx = p[i][0] - p[j][0], dy = p[i][1] - p[j][1], dz = p[i][2] - p[j][2];
                double d2 = dx * dx + dy * dy + dz * dz + 0.01;
                double f = 0.001 / (d2 * square_root(d2));
                v[i][0] -= dx * m[j] * f;
                v[i][1] -= dy * m[j] * f;
                v[i][2] -= dz * m[j] * f;
                v[j][0] += dx * m[i] * f;
                v[j][1] += dy * m[i] * f;
                v[j][2] += dz * m[i] * f;
            }
        }
        for (int i = 0; i < BODIES; i++) {
            for (int d = 0; d < 3; d++) {
                p[i][d] += 0.001 * v[i][d];
            }
        }
    }
    return p[0][0] + p[1][1] + p[4][2];
}
