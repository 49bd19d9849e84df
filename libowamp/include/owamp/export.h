/* Marks what libowamp.so exports; everything else is hidden. */
#ifndef OWAMP_EXPORT_H
#define OWAMP_EXPORT_H

#ifdef __cplusplus
#define OWAMP_LINKAGE extern "C"
#else
#define OWAMP_LINKAGE
#endif

#if defined(__GNUC__)
#define OWAMP_API OWAMP_LINKAGE __attribute__((visibility("default")))
#else
#define OWAMP_API OWAMP_LINKAGE
#endif

#endif
