#include <stdio.h>

int main(void)
{
    (void)fprintf(stderr, "weir: no commands yet\n");
    return 2;
}
