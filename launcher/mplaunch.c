#include <stdio.h>
int main (void) { fputs ("mplaunch: not yet\n", stderr); return 125; }
