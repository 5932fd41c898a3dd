/* Sleeping on a word. */
#include "shared.h"
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

void futex_wait(word32 *w, uint32_t value) { syscall(SYS_futex, w, FUTEX_WAIT, value, NULL, NULL, 0); }
void futex_wake(word32 *w, int n) { syscall(SYS_futex, w, FUTEX_WAKE, n, NULL, NULL, 0); }
