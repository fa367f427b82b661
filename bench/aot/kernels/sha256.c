/* SHA-256 compression (FIPS 180-4) over a counter: rotates and adds. */
#include "kernel.h"

enum { BLOCKS = 250000 };
static uint32_t k[64];

static uint32_t rotate(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

double run(void)
{
    uint64_t state = 13;
    for (int i = 0; i < 64; i++) {
        k[i] = next_random(&state);
    }
    uint32_t h[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    for (uint32_t block = 0; block < BLOCKS; block++) {
        uint32_t w[64];
        for (uint32_t i = 0; i < 16; i++) {
            w[i] = block * 16 + i;
        }
        for (int i = 16; i < 64; i++) {
            uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
            uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
            w[i] = w[i - 16] + s0 + w[i - 7] + s1;
        }
        uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], z = h[7];
        for (int i = 0; i < 64; i++) {
            uint32_t t1 = z + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
                          ((e & f) ^ (~e & g)) + k[i] + w[i];
            uint32_t t2 =
                (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
            z = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
        }
        h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e, h[5] += f, h[6] += g, h[7] += z;
    }
    return h[0] ^ h[7];
}
