# Writes OUT, a C file with the bytes of IN as `const unsigned char NAME[]`, ended by a zero, and
# their number as NAME_size.
file(READ ${IN} bytes HEX)
string(LENGTH "${bytes}" digits)
math(EXPR size "${digits} / 2")
string(REGEX REPLACE "(................................)" "\\1\n" lines "${bytes}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," lines "${lines}")
file(CONFIGURE OUTPUT ${OUT} @ONLY CONTENT "/* Made from ${IN}. */
#include <stddef.h>
extern const unsigned char ${NAME}[];
extern const size_t ${NAME}_size;
const unsigned char ${NAME}[] = {
${lines}0};
const size_t ${NAME}_size = ${size};
")
