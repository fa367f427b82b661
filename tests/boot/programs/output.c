/* Writes ten million bytes that depend on their position, in pieces of odd sizes. */
#include <stdint.h>
#include <unistd.h>

int main(void)
{
    static uint8_t bytes[10000000];
    uint32_t state = 1;
    for (size_t i = 0; i < sizeof bytes; i++) {
        state = state * 1103515245u + 12345u;
        bytes[i] = (uint8_t)(state >> 16);
    }
    size_t piece = 1;
    for (size_t done = 0; done < sizeof bytes;) {
        size_t want = sizeof bytes - done < piece ? sizeof bytes - done : piece;
        ssize_t count = write(1, bytes + done, want);
        if (count <= 0) {
            return 1;
        }
        done += (size_t)count;
        piece = piece * 3 % 100003 + 1;
    }
    return 0;
}
