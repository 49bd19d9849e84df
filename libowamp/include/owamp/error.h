/*
 * Error codes of libowamp.
 *
 * Functions return 0 (or a count) on success and one of these negative codes
 * on failure. Where a more precise reason exists (which field, which limit),
 * the object that failed keeps it as text; see the *_reason() functions.
 */
#ifndef OWAMP_ERROR_H
#define OWAMP_ERROR_H

#include "export.h"

enum owamp_error {
	OWAMP_OK = 0,
	OWAMP_EINVAL = -1,    /* an argument is outside its documented range */
	OWAMP_ENOMEM = -2,    /* out of memory */
	OWAMP_ECRYPTO = -3,   /* the cryptographic library failed */
	OWAMP_EPROTO = -4,    /* the peer broke RFC 4656 */
	OWAMP_EAUTH = -5,     /* an HMAC, a challenge or a key did not match */
	OWAMP_EMODE = -6,     /* no common mode, or a mode that was not offered */
	OWAMP_EREFUSED = -7,  /* the peer answered with a non-zero Accept value */
	OWAMP_ESTATE = -8,    /* the call does not fit the state of the object */
	OWAMP_ELIMIT = -9,    /* a configured limit would be exceeded */
	OWAMP_ESYSTEM = -10,  /* a system call failed, see errno */
	OWAMP_ETIMEOUT = -11, /* the peer did not answer in time */
	OWAMP_ECLOSED = -12,  /* the peer closed the connection */
	OWAMP_ERESOLVE = -13, /* the host name could not be resolved */
	OWAMP_EDATA = -14,    /* results are contradictory and invalid */
	OWAMP_EPARTIAL = -15, /* the measurement ended early or has gaps */
};

/* A short English text for a code of enum owamp_error. Never NULL. */
OWAMP_API const char *owamp_error_text(int error);

#endif
