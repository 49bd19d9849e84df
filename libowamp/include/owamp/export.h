/* Marks what libowamp.so exports; everything else is hidden. */
#ifndef OWAMP_EXPORT_H
#define OWAMP_EXPORT_H

#if defined(__GNUC__)
#define OWAMP_API __attribute__((visibility("default")))
#else
#define OWAMP_API
#endif

#endif
