/* Telling the address sanitizer which bytes of a pool block nobody may touch; else nothing. */
#ifndef GRADUS_POISON_H
#define GRADUS_POISON_H

#if defined(__SANITIZE_ADDRESS__)
#define GR_POISONING 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GR_POISONING 1
#endif
#endif

#ifdef GR_POISONING
#include <sanitizer/asan_interface.h>
#define GR_POISON(p, bytes) ASAN_POISON_MEMORY_REGION(p, bytes)
#define GR_UNPOISON(p, bytes) ASAN_UNPOISON_MEMORY_REGION(p, bytes)
#else
#define GR_POISONING 0
#define GR_POISON(p, bytes) ((void)(p), (void)(bytes))
#define GR_UNPOISON(p, bytes) ((void)(p), (void)(bytes))
#endif

#endif
