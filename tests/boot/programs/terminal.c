/* Says which standard descriptors are terminals, then answers lines until the end of input. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
    char line[256];

    printf("terminals: %d %d %d\n", isatty(0), isatty(1), isatty(2));
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin) != NULL) {
        line[strcspn(line, "\n")] = 0;
        printf("got <%s>\n", line);
        fflush(stdout);
    }
    puts("end");
    return 226;
}
