#include "lateness.h"
