/* Floating point with a data-dependent exit. */
#include "kernel.h"

enum { N = 600, LIMIT = 200 };

double run(void)
{
    uint32_t inside = 0, steps = 0;
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            double cr = 3.0 * j / N - 2.0, ci = 2.0 * i / N - 1.0, zr = 0, zi = 0;
            int step = 0;
            while (step < LIMIT && zr * zr + zi * zi < 4.0) {
                double t = zr * zr - zi * zi + cr;
                zi = 2 * zr * zi + ci;
                zr = t;
                step++;
            }
            steps += (uint32_t)step;
            inside += step == LIMIT;
        }
    }
    return steps + inside;
}
