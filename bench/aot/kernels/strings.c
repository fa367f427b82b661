/* Text: word counting, case folding and substring search over generated prose. */
#include "kernel.h"

enum { SIZE = 4 << 20 };
static char text[SIZE];
static uint32_t histogram[64];

double run(void)
{
    uint64_t state = 19;
    for (int i = 0; i < SIZE; i++) {
        uint32_t r = next_random(&state) % 36;
        text[i] = r < 26 ? (char)('a' + r) : r < 30 ? (char)('A' + r - 26) : ' ';
    }
    for (int i = 0; i < 64; i++) {
        histogram[i] = 0;
    }
    uint32_t words = 0, matches = 0;
    for (int round = 0; round < 8; round++) {
        int length = 0;
        for (int i = 0; i < SIZE; i++) {
            char c = text[i];
            if (c >= 'A' && c <= 'Z') {
                c = (char)(c + 32);
            }
            if (c == ' ') {
                words += length > 0;
                histogram[length & 63]++;
                length = 0;
            } else {
                length++;
            }
        }
        static const char needle[] = "the";
        for (int i = 0; i + 3 <= SIZE; i++) {
            int j = 0;
            while (j < 3 && text[i + j] == needle[(j + round) % 3]) {
                j++;
            }
            matches += j == 3;
        }
    }
    return words + matches + histogram[5];
}
