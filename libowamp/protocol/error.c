#include <owamp/error.h>

const char *owamp_error_text(int error)
{
	switch (error) {
	case OWAMP_OK:
		return "success";
	case OWAMP_EINVAL:
		return "invalid argument";
	case OWAMP_ENOMEM:
		return "out of memory";
	case OWAMP_ECRYPTO:
		return "the cryptographic library failed";
	case OWAMP_EPROTO:
		return "the peer does not follow RFC 4656";
	case OWAMP_EAUTH:
		return "authentication failed";
	case OWAMP_EMODE:
		return "no common mode";
	case OWAMP_EREFUSED:
		return "refused by the peer";
	case OWAMP_ESTATE:
		return "not possible in this state";
	case OWAMP_ELIMIT:
		return "limit exceeded";
	case OWAMP_ESYSTEM:
		return "system error";
	case OWAMP_ETIMEOUT:
		return "timed out";
	case OWAMP_ECLOSED:
		return "connection closed by the peer";
	case OWAMP_ERESOLVE:
		return "host name not resolved";
	case OWAMP_EDATA:
		return "contradictory results";
	case OWAMP_EPARTIAL:
		return "incomplete results";
	default:
		return "unknown error";
	}
}
