/* What the demo has to say, on standard error.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_DEMO_SAY_H
#define CLMP_DEMO_SAY_H

#include <stdbool.h>

/* Says on standard error what is going on, or what went wrong.  demo_fail() always returns false. */
void demo_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool demo_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
