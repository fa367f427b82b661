/* Copies standard input to standard output until its end, then says how much on standard error. */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    static char buffer[16384];
    size_t total = 0;
    ssize_t count;
    while ((count = read(0, buffer, sizeof buffer)) > 0) {
        for (ssize_t done = 0; done < count;) {
            ssize_t part = write(1, buffer + done, (size_t)(count - done));
            if (part < 0) {
                return 1;
            }
            done += part;
        }
        total += (size_t)count;
    }
    fprintf(stderr, "%zu bytes\n", total);
    return count < 0;
}
