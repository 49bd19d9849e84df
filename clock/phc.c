#include "phc.h"
