/* Variables of many kinds, in a chain of calls, for a debugger to look at. */
#include <stdbool.h>
#include <stdio.h>

enum color { RED, GREEN = 5 };

struct point {
    int x;
    short y;
    struct point *next;
    char tag[8];
    unsigned small : 3, large : 13;
};

union word {
    int bits;
    float number;
};

static int counter = 41;
static volatile int zero;

__attribute__((noinline)) static int leaf(struct point *first, const char *label, double scale,
                                          bool is_last)
{
    static long long calls = 1LL << 40;
    int squares[4] = {zero, 1, 4, 9};
    union word word = {.number = 1.5f};
    enum color color = GREEN;
    int sum = first->x;

    for (int i = 0; i < 4; i++) {
        int step = squares[i] + i;
        sum += step;
    }
    counter++;
    calls++;
    printf("%s %d %g %d %d %d\n", label, sum, scale, is_last, word.bits, color); /* stop here */
    fflush(stdout);
    return sum + squares[zero] + (int)calls;
}

__attribute__((noinline)) static int middle(int depth, const char *label)
{
    struct point last = {depth, -7, NULL, "abc", 5, 4097};
    struct point first = {1, 2, &last, "def", 1, 2};
    float half = (float)depth / 2.0f;
    unsigned char letter = (unsigned char)label[0];
    int sum = leaf(&first, label, half, depth > 3);

    return sum + (int)half + letter + first.x + last.x;
}

int main(int argc, char **argv)
{
    long long big = 1234567890123LL + zero;
    int sum = middle(argc + 4, argv[1]);

    return (int)(big & 1) + (sum > 1000);
}
