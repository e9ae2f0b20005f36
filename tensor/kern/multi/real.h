/*
 * One source for float and double: a file defines GR_REAL as 32 or 64 and includes X_impl.h, which
 * includes this header (on purpose without a guard) to get the type T and names with its suffix.
 *
 * The rule of every elementwise loop in kern/multi: it runs over whole blocks of GR_BLOCK elements,
 * and an odd end is copied to a padded block and back. So each element goes through the same vector
 * instructions wherever it stands, and its bits do not depend on how a loop is cut.
 */
#undef T
#undef GR_TS
#undef GR_CHUNK

#if GR_REAL == 32
#define T float
#define GR_TS(name) name##_f32
#define GR_CHUNK 1024
#elif GR_REAL == 64
#define T double
#define GR_TS(name) name##_f64
#define GR_CHUNK 512
#else
#error "GR_REAL must be 32 or 64"
#endif
