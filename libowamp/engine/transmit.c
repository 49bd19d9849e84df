#include "transmit.h"
